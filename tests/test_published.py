"""Published figures, against the paper's own text and against each other."""

import re

import numpy as np
import pytest

from emo_jax import labels, metrics, published
from emo_jax.errors import UserError


@pytest.mark.parametrize(
  ('table', 'row', 'total'),
  [
    ('table6', 'qwen', 14.26),
    ('table6', 'gpt4o', 14.65),
    ('table6', 'eanwh', 16.88),
    ('table7', 'qwen', 11.17),
    ('table7', 'gpt4o', 11.15),
    ('table7', 'eanwh', 21.09),
  ],
)
def test_totals_are_the_means_of_the_printed_f1_per_class(table, row, total):
  found = published.TABLES[table].rows[row]
  assert tuple(found.per_class) == labels.EMOTIONS
  assert round(np.mean(list(found.per_class.values())) + 1e-9, 2) == pytest.approx(total, abs=0.011)
  assert found.scores['macro_f1'] == total


@pytest.fixture(scope='module')
def text(shared) -> str:
  (path,) = (shared / 'papers').glob('000_*.txt')
  return path.read_text()


def numbers(line: str) -> list[float]:
  return [float(x) for x in re.findall(r'(?<![\w.])\d+\.\d\d(?!\d)', line)]


@pytest.mark.parametrize('number', range(1, 8))
def test_scores_are_those_the_paper_prints(text, number):
  """The lines before a table's caption hold its numbers, row by row."""
  table = published.PAPER[f'table{number}']
  before = text[: text.index(f'\nTable {number}: ')].splitlines()
  lines = [found for line in before if (found := numbers(line)) and '\t' in line]
  printed = lines[-len(table.rows) :]
  for row, found in zip(table.rows.values(), printed, strict=True):
    ours = [*row.per_class.values(), *(row.scores[name] for name in table.columns)]
    assert ours == found


def test_counts_are_those_the_paper_prints(text):
  rows = published.COUNTS['table9'].rows
  for name, counts in rows.items():
    assert re.search(rf'(?m)^{name.title()}\t' + r'\t'.join(map(str, counts)) + '$', text), name
  assert tuple(map(sum, zip(*rows.values(), strict=True))) == (1438, 1438, 930)
  assert sum(n for (n,) in published.COUNTS['table8'].rows.values()) == 140


def test_emosigns_recalls_agree_with_its_scores():
  """Recalls in whole per cent give the wAcc to within their rounding."""
  for row in published.EMOSIGN['emosign_expression'].rows.values():
    assert np.mean(list(row.per_class.values())) == pytest.approx(row.scores['wacc'], abs=0.5)


def test_every_table_can_be_printed():
  for name, table in published.TABLES.items():
    assert set(table.columns) <= set(metrics.NAMES) and table.clips and table.rows, name
    assert set(table.notes) <= set(published.NOTES), name
    for row in table.rows.values():
      assert tuple(row.per_class) in ((), labels.names(table.task)) and row.scores


def test_a_row_is_found_by_name():
  table, row = published.row('table3/last_2s')
  assert (table.corpus, row.segment, row.scores['wacc']) == ('ejsl', 'last_2s', 23.17)
  assert published.row('table3/of_our_own')[1] is None
  with pytest.raises(UserError, match="'tabel3/full'.*did you mean 'table3'"):
    published.row('tabel3/full')
