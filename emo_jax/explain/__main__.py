"""What a trained run looks at: how much of its decisions face and hands contribute, and when.

python -m emo_jax.explain WORKDIR --corpus=ejsl --split=all [--segment=full] [--clip=ID]
                            [--beside=WORKDIR2]

Explains the probability of each clip's decided label, as contributions of every stream at every
frame, against the mean face of the split and no hands; see emo_jax/attribution.py and
emo_jax/phases.py. Writes attributions.csv (a row per frame), explain.json, explain.md and figures;
with --clip=ID the table and a figure of that clip alone. --beside also explains another run, such
as one on the face alone, and says by how much the two differ.
"""

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import (
  corpora,
  finished_runs,
  inference,
  input_pipeline,
  labels,
  preprocess,
  provenance,
  run_dir,
  run_report,
  runtime,
)
from emo_jax.errors import ArgumentParser, UserError, exit_status, require
from emo_jax.explain import attribution, tables
from emo_jax.explain.attribution import ClipAttribution
from emo_jax.video import folders
from tfds_builders import stored

# A larger relative gap between contributions and what they explain is complained about.
GAP = 0.01


def main(argv: Sequence[str]) -> None:
  """Explains; prints the averages and the paths of what was written."""
  arguments = _parse(argv)
  runtime.prepare()
  workdir = Path(arguments.workdir)
  run = finished_runs.open_single(workdir)
  if input_pipeline.CROPS in run.config['model']['inputs']:
    raise UserError(
      f'{workdir} reads face crops, whose contributions are not told: explain a run on features'
    )
  split = _open(run, arguments)
  other = finished_runs.open_single(Path(arguments.beside)) if arguments.beside else None
  if other:
    corpora.require_mixable(other.report['provenance'], split)
  segment = arguments.segment or run.config['eval']['segment']
  empty = attribution.baseline(split)
  name = run_dir.file_name(f'explain-{arguments.corpus}-{arguments.split}-{segment}')
  out = Path(arguments.out) if arguments.out else workdir / name
  folders.make_writable(out)
  chosen = _choose(split, arguments.clip, arguments.limit)
  clips = _explain(run, chosen, empty, segment, arguments)
  about = dict(
    run=run.config['name'],
    corpus=arguments.corpus,
    split=arguments.split,
    segment=segment,
    method=arguments.method,
    steps=arguments.steps if arguments.method == 'integrated_gradients' else None,
    clips=len(chosen.source),
    clips_of_split=len(split.source),
    clips_without_face=len(chosen.source) - len(clips),
    caveats=_caveats(run, split),
  )
  if arguments.method == 'integrated_gradients':
    about['completeness'] = _completeness(run, clips)
  if arguments.clip:
    written = tables.write_clip(out, clips[0], about)
  else:
    others = []
    if other:
      about['beside'] = other.config['name']
      others = _explain(other, chosen, empty, segment, arguments)
      if arguments.method == 'integrated_gradients':
        about['completeness_beside'] = _completeness(other, others)
    written = tables.write(out, clips, about, others)
    print(written[0].read_text())
  print('\n'.join(str(path) for path in written))


def _parse(argv: Sequence[str]) -> Any:
  parser = ArgumentParser(prog='python -m emo_jax.explain', description=__doc__)
  parser.add_argument('workdir', help='of a finished run')
  parser.add_argument('--corpus', required=True, help='<builder>[/<config>], such as ejsl')
  parser.add_argument('--split', required=True, help='<split>[+<split>], or all')
  parser.add_argument('--data_dir', default='', help="where the corpus lies; default: the run's")
  parser.add_argument(
    '--segment', default='', help="full, random_2s (the first) or last_2s; default: the run's"
  )
  parser.add_argument(
    '--method', default=attribution.METHODS[0], help=' or '.join(attribution.METHODS)
  )
  parser.add_argument('--steps', type=int, default=32, help='of integrated gradients')
  parser.add_argument('--out', default='', help='folder; default: in WORKDIR')
  parser.add_argument('--limit', type=int, default=0, help='explain N clips, evenly spaced')
  parser.add_argument('--clip', default='', help='explain the clip of this id alone')
  parser.add_argument('--beside', default='', help='WORKDIR of a run to compare with')
  arguments = parser.parse_args(argv)
  require(arguments.method, attribution.METHODS, '--method')
  require(arguments.segment or 'full', preprocess.SEGMENTS, '--segment')
  if arguments.steps < 1:
    raise UserError(f'--steps is {arguments.steps}; it must be at least 1')
  if arguments.beside and arguments.clip:
    raise UserError('--beside compares averages, and --clip is a single clip: leave one out')
  if arguments.limit < 0:
    raise UserError(f'--limit is {arguments.limit}; it must be at least 1, or left out')
  return arguments


def _open(run: finished_runs.Finished, arguments: Any) -> corpora.Split:
  """The split to be explained. Raises UserError if it is not there, of other features or empty."""
  spec = f'{arguments.corpus}:{arguments.split}'
  split = finished_runs.open_split_for(run, spec, arguments.data_dir)
  if not len(split.source):
    raise UserError(f'{spec} has no clip')
  return split


def _choose(split: corpora.Split, clip_id: str, limit: int) -> corpora.Split:
  """One clip by its id, or up to `limit` of all (0: all) from the whole of the split."""
  count = len(split.source)
  if clip_id:
    ids = [raw['id'].decode() for raw in stored.parts(split.source, ('id',))]
    if clip_id not in ids:
      raise UserError(f'{split.spec} has no clip {clip_id!r}{labels.nearest(clip_id, ids)}')
    picked = [ids.index(clip_id)]
  elif limit and limit < count:
    picked = np.linspace(0, count - 1, limit).round().astype(int).tolist()
  else:
    return split
  return dataclasses.replace(split, source=[split.source[i] for i in picked])


def _explain(
  run: finished_runs.Finished,
  split: corpora.Split,
  empty: Mapping[str, np.ndarray],
  segment: str,
  arguments: Any,
) -> list[ClipAttribution]:
  """The clips with a face, explained, with a line of progress after each batch. Raises UserError
  if there is none."""
  config = inference.one_by_one(run.config) if arguments.clip else run.config
  explain = attribution.Explainer(config, run.params, arguments.method, arguments.steps)
  total, clips, done, began = len(split.source), [], 0, time.perf_counter()
  for batch in explain(split, empty, segment):
    done += len(batch)
    clips += [clip for clip in batch if clip]
    left = round((time.perf_counter() - began) / done * (total - done))
    clock = f'{left // 60}:{left % 60:02d}'
    print(f'{config["name"]}: explained {done}/{total} clips  {clock} left', file=sys.stderr)
  if not clips:
    raise UserError(f'none of the {total} clips has a face: there is nothing to explain')
  return clips


def _caveats(run: finished_runs.Finished, split: corpora.Split) -> list[str]:
  """What keeps the figures from telling of unseen signers."""
  said = [run_report.caveat(run.report)] if run_report.caveat(run.report) else []
  if provenance.is_random(split.key) and not run.report['random_backbone']:
    said.append('Random backbone: not a score.')
  if finished_runs.has_seen(run, split):
    said.append('Clips seen in training or selection: not a test.')
  return said


def _completeness(
  run: finished_runs.Finished, clips: Sequence[ClipAttribution]
) -> dict[str, float | int]:
  """How far contributions sum to what they explain; said, and how to mend it, on stderr."""
  gaps, name = np.array([clip.gap for clip in clips]), run.config['name']
  above = int((gaps > GAP).sum())
  print(
    f'{name}: contributions sum to the difference in probability up to {100 * gaps.max():.2g} % '
    f'of their absolute sum (median {100 * np.median(gaps):.2g} %)',
    file=sys.stderr,
  )
  if above:
    print(
      f'{name}: {above} of {len(clips)} clips are off by more than {100 * GAP:g} %: '
      'give more --steps',
      file=sys.stderr,
    )
  return dict(
    largest_relative_gap=float(gaps.max()),
    median_relative_gap=float(np.median(gaps)),
    clips_above_limit=above,
  )


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))
