"""Which runs may stand side by side: features and corpora of the same kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from emo_jax import provenance
from emo_jax.errors import UserError
from emo_jax.report.rows import Collected, Evaluation, Run


def differences(one: Evaluation | Run, other: Evaluation | Run) -> list[str]:
  """What keeps two runs, or evaluations of two, from being compared; empty if nothing does."""
  found = []
  if _synthetic(one) != _synthetic(other):
    found.append('SYNTHETIC clips beside real ones')
  labellers = [_report(x).get('labelled_by', '') for x in (one, other)]
  if all(labellers) and labellers[0] != labellers[1]:
    found.append(f'training labelled by {labellers[0]} against {labellers[1]}')
  if not (_key(one) and _key(other)):
    return found  # answers of others are made from the videos themselves
  return found + provenance.differences(_key(one), _key(other))


def require_same(collected: Collected, allowed: bool) -> list[str]:
  """Sentences about runs that differ from the first one.

  Raises:
    UserError: there are some and they are not allowed.
  """
  said = _against_first(collected.runs)
  if not said:
    filling = [e for found in collected.filled.values() for e in found]
    said = _against_first(filling)
  if said and not allowed:
    raise UserError(f'{said[0]}: report them apart, or side by side with --allow_mixed')
  return said


def within(evaluations: Sequence[Evaluation]) -> list[str]:
  """The same of the evaluations in one table."""
  return _against_first(evaluations)


def _against_first(many: Sequence[Evaluation | Run]) -> list[str]:
  said = []
  for other in many[1:]:
    different = differences(many[0], other)
    if different:
      sentence = f'{_name(many[0])} and {_name(other)} differ in {"; ".join(different)}'
      said += [sentence] if sentence not in said else []
  return said


def _report(one: Evaluation | Run) -> Mapping[str, Any]:
  return one.run.report if isinstance(one, Evaluation) else one.report


def _name(one: Evaluation | Run) -> str:
  return str(one.run if isinstance(one, Evaluation) else one)


def _synthetic(one: Evaluation | Run) -> bool:
  return one.synthetic if isinstance(one, Evaluation) else one.report['synthetic']


def _key(one: Evaluation | Run) -> dict[str, str]:
  return dict(one.entry['features'] if isinstance(one, Evaluation) else one.report['provenance'])
