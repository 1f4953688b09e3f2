"""Is one row better than another? Paired comparisons, corrected for how many there are."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from emo_jax import corpora, published
from emo_jax.errors import UserError
from emo_jax.report import mixing
from emo_jax.report.rows import Collected, Evaluation
from emo_jax.statistics import clips, permutation, seeds

METRIC = 'macro_f1'
LEVEL = 0.05
HOLDS, FAILS, UNDECIDED, NOT_RUN = 'holds', 'does not hold', 'undecided', 'not run'

# Beside each later row against the first one.
ALSO = {
  'table3': (('last_2s', 'random_2s'),),
  'table6': (('eanwh', 'gpt4o'),),
  'table7': (('eanwh', 'gpt4o'),),
}

# What the paper claims, and the rows (table, better, worse) that bear on it.
HYPOTHESES = {
  'H1': (
    'training on weak labels from subtitles helps',
    (('table1', 'a_tea', 'non_signers'), ('table2', 'a_tea', 'non_signers')),
  ),
  'H2': (
    'the last two seconds of a clip say more of emotion than random ones or than all of it',
    (('table3', 'last_2s', 'random_2s'), ('table3', 'last_2s', 'full')),
  ),
  'H3': (
    'hands beside the face help',
    (('table4', 'eanwh', 'ean'), ('table5', 'eanwh', 'ean')),
  ),
}

# What is compared -> (arm, segment) less (arm, segment): effects with their cause in place, in the
# heads of the controls.
PRESENT = {
  'with markers: last 2 s less random 2 s': (('ean', 'last_2s'), ('ean', 'random_2s')),
  'with markers: last 2 s less full clip': (('ean', 'last_2s'), ('ean', 'full')),
  'with markers: EANwH less EAN': (('eanwh', 'full'), ('ean', 'full')),
}
# The same without their cause; no advantage is expected.
CONTROLS = {
  'no markers: last 2 s less random 2 s': (
    ('ean_no_markers', 'last_2s'),
    ('ean_no_markers', 'random_2s'),
  ),
  'no markers: last 2 s less full clip': (
    ('ean_no_markers', 'last_2s'),
    ('ean_no_markers', 'full'),
  ),
  'no markers: EANwH less EAN': (('eanwh_no_markers', 'full'), ('ean_no_markers', 'full')),
  'hands shuffled: EANwH less EAN': (('eanwh_hands_shuffled', 'full'), ('ean', 'full')),
}
SHUFFLED = {
  'EAN, labels shuffled': 'ean_labels_shuffled',
  'EANwH, labels shuffled': 'eanwh_labels_shuffled',
}
CONTROL_SPLIT = 'ejsl_like'


@dataclasses.dataclass(frozen=True)
class Effect:
  """One run less another on macro F1.

  Attributes:
    name: what is compared.
    one, other: the evaluations; None if no run fills a row.
    difference, low, high: fractions, with the 95 % interval.
    p, corrected: of the permutation test, and after Holm's correction.
    seeds: over how many the difference was taken; 0: over the clips of the models as they are.
    reason: why there is no number; empty if there is.
  """

  name: str
  one: Evaluation | None = None
  other: Evaluation | None = None
  difference: float = 0.0
  low: float = 0.0
  high: float = 0.0
  p: float = 1.0
  corrected: float = 1.0
  seeds: int = 0
  reason: str = ''

  @property
  def verdict(self) -> str:
    """In words, as the numbers have it."""
    if self.reason:
      return self.reason
    if self.corrected >= LEVEL:
      return UNDECIDED
    return HOLDS if self.difference > 0 else FAILS


@functools.lru_cache(maxsize=512)
def _scored(evaluation: Evaluation) -> clips.Scored:
  entry = evaluation.entry
  return clips.scored(evaluation.predictions, entry['task'], entry['corpus'])


@functools.lru_cache(maxsize=512)
def _compared(one: Evaluation, other: Evaluation) -> Effect:
  # Clips of other features may have the same ids, as those of two seeds of the generator have.
  if different := mixing.differences(one, other):
    return Effect('', one, other, reason=f'not compared, as they differ in {"; ".join(different)}')
  try:
    return Effect('', one, other, **_numbers(one, other))
  except UserError as error:
    return Effect('', one, other, reason=f'not compared: {error}')


def _numbers(one: Evaluation, other: Evaluation) -> dict[str, float]:
  found = permutation.compare(_scored(one), _scored(other), METRIC)
  return {name: found[name] for name in ('difference', 'low', 'high', 'p')}


def _corrected(effects: Sequence[Effect]) -> list[Effect]:
  values = iter(permutation.holm([e.p for e in effects if not e.reason]))
  return [e if e.reason else dataclasses.replace(e, corrected=next(values)) for e in effects]


def _named(name: str, one: Evaluation, other: Evaluation) -> Effect:
  """One less another: over seeds, if both have enough of them, since a way of training is no matter
  of single models."""
  effect = dataclasses.replace(_compared(one, other), name=name)
  if effect.reason:
    return effect
  over = seeds.compare(per_seed(one, METRIC), per_seed(other, METRIC))
  return dataclasses.replace(effect, **over) if over['seeds'] >= seeds.FEWEST else effect


def _between(collected: Collected, table: str, better: str, worse: str) -> list[Effect]:
  """Every run of a row less every run of another."""
  name = ' less '.join(published.called(table, key) for key in (better, worse))
  ours = [collected.filled.get(f'{table}/{key}', ()) for key in (better, worse)]
  if not all(ours):
    return [Effect(name, reason=NOT_RUN)]
  found = []
  for one in ours[0]:
    for other in ours[1]:
      several = len(ours[0]) * len(ours[1]) > 1
      runs = f' ({one.run.name} less {other.run.name})' if several else ''
      found.append(_named(name + runs, one, other))
  return found


def of_table(table: str, collected: Collected) -> list[Effect]:
  """Each later row against the first one; rows of peers nobody ran are left out."""
  keys = [key for key, row, found in collected.lines(table) if found or not (row and row.peer)]
  pairs = [(later, keys[0]) for later in keys[1:]]
  pairs += [pair for pair in ALSO.get(table, ()) if {*pair} <= {*keys} and pair not in pairs]
  return _corrected([e for pair in pairs for e in _between(collected, table, *pair)])


def hypotheses(collected: Collected) -> dict[str, list[Effect]]:
  """The comparisons of H1, H2 and H3, corrected together."""
  found: list[tuple[str, Effect]] = []
  for key, (_, pairs) in HYPOTHESES.items():
    for table, better, worse in pairs:
      for effect in _between(collected, table, better, worse):
        where = published.TABLES[table].where
        found.append((key, dataclasses.replace(effect, name=f'{where}: {effect.name}')))
  corrected = _corrected([effect for _, effect in found])
  return {
    key: [e for (of, _), e in zip(found, corrected, strict=True) if of == key] for key in HYPOTHESES
  }


def judgement(effects: Sequence[Effect]) -> str:
  """Of a hypothesis: it holds if all its comparisons do, and does not if one does not."""
  verdicts = [e.verdict for e in effects if not e.reason]
  if not verdicts:
    return NOT_RUN if all(e.reason == NOT_RUN for e in effects) else 'not compared'
  if FAILS in verdicts:
    return FAILS
  if len(verdicts) < len(effects) and set(verdicts) == {HOLDS}:
    return f'{HOLDS} in {len(verdicts)} of {len(effects)} comparisons, the only ones made'
  return HOLDS if set(verdicts) == {HOLDS} else UNDECIDED


def _control(collected: Collected, arm: str, segment: str) -> Evaluation | None:
  for e in collected.controls(arm):
    embedded = e.entry['corpus'].split('/')[0] == corpora.EMBEDDED
    if embedded and e.entry['split'] == CONTROL_SPLIT and e.entry['segment'] == segment:
      return e
  return None


def controls(
  collected: Collected, pairs: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = CONTROLS
) -> list[Effect]:
  """What must vanish on the synthetic corpus once its cause is taken out (or PRESENT, what need
  not)."""
  found = []
  for name, pair in pairs.items():
    one, other = (_control(collected, *side) for side in pair)
    found.append(_named(name, one, other) if one and other else Effect(name, reason=NOT_RUN))
  return found


def per_seed(evaluation: Evaluation, metric: str) -> dict[int, float]:
  """Seed -> score of an evaluation."""
  return seeds.scores(evaluation.predictions, evaluation.entry['task'], metric)


def shuffled(collected: Collected) -> list[tuple[str, Evaluation | None]]:
  """What models trained on shuffled labels scored, a line per segment."""
  found: list[tuple[str, Evaluation | None]] = []
  for name, arm in SHUFFLED.items():
    scored = [_control(collected, arm, segment) for segment in ('full', 'random_2s', 'last_2s')]
    here = [(f'{name} ({e.entry["segment"]})', e) for e in scored if e]
    found += here or [(name, None)]
  return found
