"""Command: what a trained run says of videos, as numbers, curves and pictures.

  python -m emo_jax.predict --checkpoint=WORKDIR --out=DIR [--weights=FILE|random]
    [--hand_model=FILE | --hands_from=DIR] [--json] [--no-overlay] VIDEO...

A clip's probabilities are those `evaluate` gives it under the run's own segment and temperature.
DIR gets per video NAME: NAME.csv (probabilities at every frame), NAME-timeline.png,
NAME-overlay.mp4 and features/NAME.npz, from which a second call goes on without extracting.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import clip_report, corpora, finished_runs, run_report, runtime
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import extractor, feature_files, following, hand_model, pose_files


def main(argv: Sequence[str]) -> int:
  """Reports on the videos; 1 if some could not be decoded. Raises UserError for other mistakes."""
  arguments = _arguments(argv)
  runtime.keep_programs()
  out = Path(arguments.out)
  run = finished_runs.open_single(Path(arguments.checkpoint))
  targets = feature_files.targets_of(arguments.videos, out / 'features')
  _require_inputs_kept(targets, out)
  # Features of a run on video are sampled as its own were.
  made_with = run.report['provenance']
  rule, search = made_with['sampling'].split('-')[0], made_with['detector'].rsplit('-', 1)[-1]
  extracting = extractor.from_flags(
    arguments,
    sampling=rule,
    search=search if search in following.SEARCHES else 'follow',  # not of a synthetic corpus
    pose_hands=pose_files.in_folder(arguments.hands_from, targets),
  )
  videos = corpora.Split(spec='the videos', source=[], key=extracting.key, tasks=())
  corpora.require_mixable(run.report['provenance'], videos)

  report_on = clip_report.ClipReport(run, extracting.key, out, arguments.overlay)
  named = {target: video for video, target in targets.items()}
  records, failed = [], []
  for target, error in feature_files.extract_all(targets, extracting):
    video = named[target]
    try:
      if error:
        raise error
      records.append(said := report_on(video, target))
    except (UserError, OSError) as mistake:
      failed.append(mistake)
      said = dict(id=video.stem, video=str(video), error=str(mistake))
    if arguments.json:
      print(json.dumps(said), flush=True)
  if records and not arguments.json:
    order = [video.stem for video in targets]
    print(table(sorted(records, key=lambda record: order.index(record['id']))))
  if failed:
    print(f'{len(failed)} of {len(targets)} videos could not be reported on:', file=sys.stderr)
    for mistake in failed:
      print(f'  {mistake}', file=sys.stderr)
  return 1 if failed else 0


def table(records: Sequence[Mapping[str, Any]]) -> str:
  """The records as a table of per cent, below what keeps them from being scores."""
  names = list(records[0]['probabilities'])
  head = ['clip', 'decision', *names, 'frames', 'face', 'left hand', 'right hand']
  rows = []
  for r in records:
    seen_of = [r['coverage'][what] for what in ('face', 'left_hand', 'right_hand')]
    shares = [*r['probabilities'].values()], seen_of
    p, seen = ([f'{100 * x:.1f}' for x in part] for part in shares)
    decision = r['decision'] or 'none (no face)'
    rows.append([r['id'], decision, *p, str(r['frames']), *seen])
  caveats = list(dict.fromkeys(c for r in records if r['has_face'] for c in r['caveats']))
  first = f'{records[0]["task"]} on segment {records[0]["segment"]}, per cent'
  return '\n'.join([*(f'** {c} **' for c in caveats), first, run_report.markdown_table(head, rows)])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.predict', description=__doc__)
  parser.add_argument('--checkpoint', required=True, metavar='WORKDIR', help='of a finished run')
  parser.add_argument('--out', required=True, metavar='DIR', help='folder of what is written')
  parser.add_argument(
    '--weights', help=f'converted weights or `random` (env {extractor.WEIGHTS_VARIABLE})'
  )
  hands = parser.add_mutually_exclusive_group()
  hands.add_argument('--hand_model', help=f'hand_landmarker.task (env {hand_model.VARIABLE})')
  hands.add_argument('--hands_from', metavar='DIR', help='folder of <video>.pose files with hands')
  extractor.add_engine_flags(parser)
  parser.add_argument(
    '--json', action='store_true', help='print a JSON object per video, as each is done'
  )
  parser.add_argument('--no-overlay', dest='overlay', action='store_false', help='write no MP4')
  parser.add_argument('videos', nargs='+', metavar='VIDEO')
  return parser.parse_args(argv)


def _require_inputs_kept(targets: Mapping[Path, Path], out: Path) -> None:
  """Raises UserError if a video would be overwritten by the overlay of another."""
  overlays = {(out / f'{v.stem}-overlay.mp4').resolve() for v in targets}
  for video in targets:
    if video.resolve() in overlays:
      raise UserError(f'{video} would be overwritten by an overlay: name another --out')


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))
