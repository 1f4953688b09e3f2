"""The files of an explained split or clip: table per frame, averages, text and figures."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import files, run_dir
from emo_jax.explain import drawings, phases
from emo_jax.explain.attribution import PHASES, ClipAttribution
from emo_jax.run_report import markdown_table

_METHODS = {
  'integrated_gradients': 'integrated gradients',
  'occlusion': 'occlusion (one frame of one stream at a time)',
}
_SCALES = {'relative': 1.0, 'per_place': 1.0, 'signed': 100.0}
_HEADS = {
  'relative': 'a frame (1: average)',
  'per_place': 'per place (1: even)',
  'signed': 'signed (points)',
}


def write(
  out: Path,
  clips: Sequence[ClipAttribution],
  about: Mapping[str, Any],
  beside: Sequence[ClipAttribution] = (),
) -> list[Path]:
  """Writes what was found of a split; returns the paths.

  Args:
    out: a folder.
    clips: at least one.
    about: `run`, `corpus`, `split`, `segment`, `method`, `steps`, `clips`, `clips_of_split`,
      `clips_without_face`, `caveats`, and of integrated gradients `completeness`; all of it stands
      in `explain.json` beside the averages.
    beside: the same clips explained of another run, whose name is `beside` in `about`.
  """
  found = phases.averages(clips)
  title = [
    f'{about["run"]} on {about["corpus"]}:{about["split"]} ({about["segment"]}), '
    f'{len(clips)} clips, {_METHODS[about["method"]]}; means and 95 % intervals',
    *about['caveats'],
  ]
  pictures = [out / 'phases.png']
  drawings.by_phase(pictures[0], found['all'], title)
  curves = phases.aligned(clips)
  if curves.clips:
    pictures.append(out / 'end-of-signing.png')
    drawings.over_time(pictures[1], curves, title)
  table, data, text = (out / name for name in ('attributions.csv', 'explain.json', 'explain.md'))
  at_baseline = {n: sum(c.at_baseline[n] for c in clips) / len(clips) for n in clips[0].at_baseline}
  found = dict(at_baseline=at_baseline, **found)
  if beside:
    found['difference'] = phases.differences(clips, beside)
  write_csv(table, clips)
  run_dir.write_text(text, _markdown(found, about, pictures))
  run_dir.write_json(data, {**about, **found})
  return [text, data, table, *pictures]


def write_clip(out: Path, clip: ClipAttribution, about: Mapping[str, Any]) -> list[Path]:
  """Writes table and figure of one clip, `about` as in `write`; returns the paths."""
  title = [
    f'{clip.id}: {clip.predicted} {100 * clip.probability:.0f} %'
    + (f' (true: {clip.true})' if clip.true else '')
    + f' by {about["run"]}, {100 * clip.at_baseline[clip.predicted]:.0f} % at the baseline; '
    + _METHODS[about['method']],
    *about['caveats'],
  ]
  name = run_dir.file_name(f'clip-{clip.id}')
  table, picture = out / f'{name}.csv', out / f'{name}.png'
  write_csv(table, [clip])
  drawings.of_clip(picture, clip, title)
  return [table, picture]


def write_csv(path: Path, clips: Sequence[ClipAttribution]) -> None:
  """A row per clip and frame: id, frame (of the sampled ones), time_s, phase, a column per stream
  (contribution, as probability), true (empty where unknown), predicted, places."""
  streams = list(clips[0].streams)
  with files.replacing(path) as partial, open(partial, 'w', newline='', encoding='utf-8') as f:
    rows = csv.writer(f, lineterminator='\n')
    rows.writerow(['id', 'frame', 'time_s', 'phase', *streams, 'true', 'predicted', 'places'])
    for clip in clips:
      for i, frame in enumerate(clip.frame):
        values = (f'{clip.streams[name][i]:.6g}' for name in streams)
        where = [clip.id, frame, f'{clip.time_s[i]:.3f}', clip.phase[i]]
        rows.writerow([*where, *values, clip.true, clip.predicted, f'{clip.share[i]:.4f}'])


def summary(found: Mapping[str, Any]) -> str:
  """Table of one entry of `emo_jax.phases.averages`: a row per stream and phase."""
  head = ['stream', 'phase', 'clips', 'frames', '% of frames', 'places', *_HEADS.values()]
  rows = []
  for name in found['phases'][PHASES[0]]['streams']:
    for phase, of in found['phases'].items():
      values = [_with_interval(of['streams'][name][k], _SCALES[k]) for k in _HEADS]
      share = _number(of['share_of_frames']['mean'], 100.0, 0)
      counts = [str(of['clips']), str(of['frames']), share, _number(of['places']['mean'])]
      rows.append([name, phase.replace('_', '-'), *counts, *values])
  return markdown_table(head, rows)


def differences(of_phases: Mapping[str, Mapping[str, Any]]) -> str:
  """Table of differences in contributions per place: a row per stream and phase or contrast."""
  rows = [
    [name, what.replace('_', '-'), _with_interval(value)]
    for what, of in of_phases.items()
    for name, value in of.items()
  ]
  return markdown_table(['stream', 'per place', 'difference'], rows)


def _groups(found: Mapping[str, Any]) -> str:
  """Table of contributions per place by what was decided."""
  entries = {'correct': found['correct'], 'wrong': found['wrong']}
  entries |= {f'decided {name}': entry for name, entry in found['predicted'].items()}
  streams = list(found['all']['phases'][PHASES[0]]['streams'])
  head = ['clips', 'number', *(f'{s}, {p.replace("_", "-")}' for s in streams for p in PHASES)]
  rows = [
    [what, str(entry['clips'])]
    + [
      _number(entry['phases'][p]['streams'][s]['per_place']['mean'])
      for s in streams
      for p in PHASES
    ]
    for what, entry in entries.items()
    if entry['clips']
  ]
  return markdown_table(head, rows)


def _with_interval(value: Mapping[str, float | None], scale: float = 1.0) -> str:
  if value['mean'] is None:
    return '-'
  low, high = (_number(value[k], scale) for k in ('low', 'high'))
  return f'{_number(value["mean"], scale)} ({low} to {high})'


def _number(value: float | None, scale: float = 1.0, digits: int = 2) -> str:
  return '-' if value is None else f'{scale * value:.{digits}f}'


def _markdown(found: Mapping[str, Any], about: Mapping[str, Any], pictures: Sequence[Path]) -> str:
  parts = [
    f'# What {about["run"]} looks at',
    *(f'**{caveat}**' for caveat in about['caveats']),
    f'{about["corpus"]}:{about["split"]}, segment {about["segment"]}: {found["all"]["clips"]} of '
    f'{about["clips_of_split"]} clips explained, {about["clips_without_face"]} left out without '
    'any face.',
    'Explained is the probability of the label decided for (the mean over the windows of a clip, '
    f'before the temperature), by {_METHODS[about["method"]]}, against a clip that tells nothing: '
    'the mean face of the split in every frame and no hands. Phases are by the speed of the hands, '
    'a rule of thumb: post-signing is what follows the last signing frame, rest all other frames '
    'in which no hand moves.',
    'The baseline is not nothing to the run: given it, the probabilities are '
    + ', '.join(f'{name} {p:.2f}' for name, p in found['at_baseline'].items())
    + '. Contributions are what comes on top of that.',
    *_complete(about),
    '## Phases',
    summary(found['all']),
    '- a frame: absolute contribution of a frame as a multiple of the mean frame of its clip, both '
    'streams together.\n'
    '- places: how often a frame of the phase stands in the windows, as a multiple of the mean: '
    'the first frames stand in one window, others in two, the last one is repeated.\n'
    '- per place: the part that the phase has of the absolute contributions of a stream over the '
    'part it has of the places: 1 where the run makes as much of the phase as it is shown of it.\n'
    '- signed: contribution of a frame in points of probability; negative where it speaks against '
    'the decision.\n'
    '- Clips count alike; in brackets 95 % intervals, by drawing clips (of one utterance together) '
    'with replacement.',
    'Difference to the signing frames, over clips that have both:',
    differences(found['all']['contrasts']),
    *_beside(found, about),
    '## By decision',
    'Contributions per place:',
    _groups(found),
    '## Limits',
    'A large contribution says that the decision rests on a frame, not that it rests on it '
    'rightly. The last places of a window weigh more with an LSTM whatever they show, and a frame '
    'that is repeated weighs less per place than one that is not: whether hands move the weight of '
    'the face is told by a run on the face alone, explained on the same clips (`--beside`). '
    'Intervals are over clips, of one training each: another seed may differ by more.',
    *(f'![{path.stem}]({path.name})' for path in pictures),
  ]
  return '\n\n'.join(parts) + '\n'


def _beside(found: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
  if 'difference' not in found:
    return []
  return [
    f'## Beside {about["beside"]}',
    f'{about["run"]} less {about["beside"]}, over {found["difference"]["clips"]} clips explained '
    'of both, each for its own decision:',
    differences({**found['difference']['phases'], **found['difference']['contrasts']}),
  ]


def _complete(about: Mapping[str, Any]) -> list[str]:
  if 'completeness' not in about:
    return ['Drops by occlusion do not sum to anything.']
  gap = about['completeness']
  return [
    f'With {about["steps"]} steps, contributions sum to the difference in probability up to '
    f'{100 * gap["largest_relative_gap"]:.2g} % of their absolute sum (median '
    f'{100 * gap["median_relative_gap"]:.2g} %).'
  ]
