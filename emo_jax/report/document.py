"""The whole report, in the order it is meant to be read."""

from collections.abc import Sequence
from pathlib import Path

from emo_jax import labels, published
from emo_jax.report import (
  charts,
  details,
  findings,
  origins,
  tables,
)
from emo_jax.report.blocks import Block, Document, Listing, Picture, Section, Text
from emo_jax.report.rows import Collected

READING = (
  'Summary: what the runs show, in a paragraph. Then the three hypotheses of the paper, with '
  'verdicts that follow from the numbers.',
  'Tables: as the paper has them, its numbers beside ours, then a figure and paired comparisons of '
  'the rows. Rows that were not run name the config that fills them.',
  'Corpora: for each set of clips F1 per class, confusion matrices, calibration and scores signer '
  'by signer.',
  'Last, what else was scored, and where every number comes from.',
  'Scores are per cent, differences points. wAcc is the mean recall over the classes that occur; '
  'macro F1 is over all classes of the task. Intervals say how scores vary with the utterances, '
  'not with signers or with training anew.',
)


def build(collected: Collected, mixed: Sequence[str], folder: Path) -> Document:
  """Makes the report; its figures are written to `folder`.

  Args:
    collected: the runs.
    mixed: sentences about runs that differ (emo_jax.report.mixing).
    folder: of the figures.
  """
  found = [
    Section('summary', 'Summary', (Text(findings.summary(collected)),)),
    Section('reading', 'How to read this', (Listing(READING),)),
    Section('hypotheses', 'The three hypotheses', tuple(findings.hypotheses(collected))),
    Section('controls', 'Controls', tuple(findings.controls(collected))),
    Section('tables', "The paper's tables", ()),
    *(_table(name, collected, folder) for name in published.PAPER),
    *(_counts(name, collected) for name in published.COUNTS),
    Section('emosign', "EmoSign's tables", ()),
    *(_table(name, collected, folder) for name in published.EMOSIGN),
    *details.sections(collected, folder),
    Section('others', 'Other evaluations', tuple(origins.others(collected))),
    Section('provenance', 'Provenance', tuple(origins.runs(collected))),
  ]
  return Document(_title(collected), tuple(_warnings(collected, mixed)), tuple(found))


def _title(collected: Collected) -> str:
  n = len(collected.runs)
  title = f'Emotion recognition in signers: {n} run{"s" if n > 1 else ""} and the published tables'
  synthetic = [run.report['synthetic'] for run in collected.runs]
  random = [run.report['random_backbone'] for run in collected.runs]
  if any(synthetic):
    title += ' (SYNTHETIC)' if all(synthetic) else ' (partly SYNTHETIC)'
  if any(random):
    title += f' ({tables.RANDOM})' if all(random) else ' (partly of a random backbone)'
  return title


def _warnings(collected: Collected, mixed: Sequence[str]) -> list[str]:
  said = []
  if any(run.report['synthetic'] for run in collected.runs):
    said.append(f'{tables.SYNTHETIC}: scores under this mark come from a simulation.')
  if any(run.report['random_backbone'] for run in collected.runs):
    said.append(f'{tables.RANDOM.capitalize()}. No published number stands beside it.')
  said += [f'Runs that are not alike stand side by side (--allow_mixed): {text}.' for text in mixed]
  said += [f'{text}.' for text in collected.empty]
  if not collected.filled:
    said.append('No run fills a row of a table: see Other evaluations.')
  return said


def _table(name: str, collected: Collected, folder: Path) -> Section:
  blocks: list[Block] = [Text(text, warning=True) for text in tables.mixed(collected.fills(name))]
  blocks.append(tables.grid(name, collected))
  if collected.fills(name):
    blocks += [*_charts(name, collected, folder), *findings.effects_of(name, collected)]
  return Section(name, _short(name), tuple(blocks), 3)


def _counts(name: str, collected: Collected) -> Section:
  return Section(name, _short(name), (tables.counts(name, collected),), 3)


def _short(name: str) -> str:
  """`Table 1: Weak labels...`, without whose table it is."""
  table = published.TABLES.get(name) or published.COUNTS[name]
  where = table.where.removesuffix(' of the paper')
  return table.title if name in published.EMOSIGN else f'{where}: {table.title}'


def _charts(name: str, collected: Collected, folder: Path) -> list[Picture]:
  """A bar chart per score of the table."""
  table, found = published.TABLES[name], collected.fills(name)
  paper, said = tables.paper_column(found, collected), tables.caveat(found, collected)
  pictures = []
  for column in table.columns:
    shown = []
    for _, row, e, called in tables.lines(name, collected):
      ours = tables.score(e, column) if e else None
      theirs = tables.published_score(row, column) if paper else None
      if ours or theirs:
        shown.append(charts.Bar(called, ours, theirs))
    chance = 100 / len(labels.names(table.task)) if column == 'wacc' else None
    title = f'{table.where}: {tables.SCORES[column]}' + (f'\n{said}' if said else '')
    path = folder / f'{name}-{column}.png'
    png, svg = charts.bars(path, title, tables.SCORES[column], shown, paper, chance)
    alt = [
      f'{bar.called}: {tables.spoken(bar.ours)}'
      + (f', {paper} {bar.paper.number()}' if bar.paper else '')
      for bar in shown
    ]
    caption = f'{table.where}: {tables.SCORES[column]} with 95 % intervals.'
    caption = tables.captioned(caption, found, collected)
    pictures.append(Picture(png, caption, f'Bar chart. {"; ".join(alt)}.', svg))
  return pictures
