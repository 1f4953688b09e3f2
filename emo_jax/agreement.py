"""How far two annotators agree, and what they agree on.

python -m emo_jax.agreement A.csv B.csv [--out=AGREED.csv]

Prints one JSON object about the clips that both labelled: n, agreed, the observed agreement, Gwet's
AC1 with its chance agreement and standard error, Cohen's kappa, Krippendorff's alpha (null where a
coefficient is undefined), the counts of each label, and the confusion with the first file's labels
in rows. AC1 is over all seven emotions, given or not, as in the paper's Appendix B.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import label_files, labels, metrics, reliability
from emo_jax.errors import ArgumentParser, UserError, exit_status, first_of
from emo_jax.label_files import Label, LabelFile
from emo_jax.video import folders

_NAMED = 3  # ids that a message names


def compare(first: Mapping[str, Label], second: Mapping[str, Label]) -> dict[str, Any]:
  """Agreement on the ids in both. Raises UserError if there are none."""
  common = [id_ for id_ in first if id_ in second]
  if not common:
    raise UserError('the two files have no id in common: label the same sentences')
  counts = metrics.confusion(
    _indices(first, common), _indices(second, common), len(labels.EMOTIONS)
  )
  return dict(
    n=len(common),
    agreed=int(np.trace(counts)),
    observed_agreement=reliability.observed_agreement(counts),
    chance_agreement=reliability.gwet_chance_agreement(counts),
    ac1=reliability.gwet_ac1(counts),
    ac1_standard_error=reliability.gwet_ac1_standard_error(counts),
    cohen_kappa=reliability.cohen_kappa(counts),
    krippendorff_alpha=reliability.krippendorff_alpha(counts),
    only_in=dict(first=len(_absent(first, second)), second=len(_absent(second, first))),
    counts=dict(first=_by_name(counts.sum(1)), second=_by_name(counts.sum(0))),
    labels=list(labels.EMOTIONS),
    confusion=counts.tolist(),
  )


def main(argv: Sequence[str]) -> None:
  """Compares two label files; writes what both agree on."""
  parser = ArgumentParser(prog='python -m emo_jax.agreement', description=__doc__)
  parser.add_argument('first', metavar='A.csv', help='columns id and label')
  parser.add_argument('second', metavar='B.csv', help="the same, of another's")
  parser.add_argument('--out', default='', help='CSV for the clips with the same label from both')
  arguments = parser.parse_args(argv)
  paths = Path(arguments.first), Path(arguments.second)
  out = Path(arguments.out) if arguments.out else None
  if out and out.resolve() in [path.resolve() for path in paths]:
    raise UserError(f'--out={out} is one of the files compared: name another')
  first, second = (label_files.read(path).labels for path in paths)
  found = compare(first, second)
  _report(_absent(first, second), *paths)
  _report(_absent(second, first), *reversed(paths))
  if out:
    _write_agreed(out, first, second)
  print(json.dumps(found))


def _indices(given: Mapping[str, Label], ids: Sequence[str]) -> np.ndarray:
  return np.array([labels.index('emotion', given[id_].label) for id_ in ids])


def _by_name(counts: np.ndarray) -> dict[str, int]:
  return {name: int(count) for name, count in zip(labels.EMOTIONS, counts, strict=True)}


def _absent(given: Mapping[str, Label], other: Mapping[str, Label]) -> list[str]:
  return [id_ for id_ in given if id_ not in other]


def _report(absent: Sequence[str], path: Path, other: Path) -> None:
  if absent:
    named = first_of(absent, _NAMED)
    print(f'only in {path}, not in {other}: {len(absent)} ({named})', file=sys.stderr)


def _write_agreed(out: Path, first: Mapping[str, Label], second: Mapping[str, Label]) -> None:
  agreed = {
    id_: Label(given.label)
    for id_, given in first.items()
    if id_ in second and second[id_].label == given.label
  }
  folders.make_writable(out.parent)
  try:
    label_files.write(out, LabelFile(agreed))
  except OSError as error:
    raise UserError(f'cannot write {out}: {error.strerror}') from error
  print(f'{len(agreed)} agreed clips in {out}', file=sys.stderr)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))
