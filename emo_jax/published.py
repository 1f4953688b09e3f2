"""Published figures that runs are held against, as data: those of the paper and of EmoSign.

"The paper" is "Emotion Recognition in Signers" (Funakoshi and Zhu, arXiv 2512.15376); EmoSign's are
its own paper's (Chua et al., NeurIPS 2025 Datasets and Benchmarks). All scores are per cent.
"""

import dataclasses
from collections.abc import Mapping

from emo_jax import labels
from emo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    name: of the method.
    scores: by the names of `emo_jax.metrics.NAMES`; what the table does not give is left out.
    per_class: a figure per label (F1 in the paper, recall in EmoSign's); empty where none is given.
    segment: that the method reads.
    peer: is it a vision language model or a person, not a run of this project?
    captions: does the method see the clip's caption beside the video?
  """

  name: str
  scores: Mapping[str, float]
  per_class: Mapping[str, float] = dataclasses.field(default_factory=dict)
  segment: str = 'full'
  peer: bool = False
  captions: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
  """A published table of scores.

  Attributes:
    title: what it shows.
    where: as in `Table 1 of the paper`.
    corpus, split: that is scored.
    task: of `emo_jax.labels`.
    clips: how many of them.
    columns: scores in order.
    rows: by key, in order. `configs/<table>_<row>.py` is the experiment of a row of ours.
    notes: keys of NOTES.
    embedded: the split of the synthetic corpus in the place of the table's.
    per_class: what the figures per label are, `f1` or `recall`; empty: there are none.
  """

  title: str
  where: str
  corpus: str
  clips: int
  columns: tuple[str, ...]
  rows: Mapping[str, Row]
  notes: tuple[str, ...]
  embedded: str = ''
  split: str = 'all'
  task: str = 'emotion'
  per_class: str = ''

  def has_clips_of(self, corpus: str) -> bool:
    """Is it the table's corpus? EmoSign's configs are subsets with the same labels: of those as
    many labelled clips are the same."""
    emosign = corpus.split('/')[0] == self.corpus.split('/')[0] == 'emosign'
    return emosign or corpus == self.corpus


NOTES = {
  'wacc': 'wAcc is taken as the mean recall over the classes that occur (UAR), as in EmoSign: '
  'on BOBSL-M_C 15.54 and 32.72 % are no multiples of 1/930, so it is not accuracy.',
  'text_labels': 'The clips of BOBSL-M_C were labelled from their subtitles alone, as the training '
  'clips were by a text classifier: the table partly measures agreement about text.',
  'ter_choice': 'The text classifier that labelled the training clips was chosen on BOBSL-M_C '
  'itself.',
  'overlap': 'All 16 manually aligned training episodes of BOBSL are among its 1,658 training '
  'episodes; the paper does not say whether BOBSL-M was left out of training. Here it is, unless '
  'the data set was built otherwise; videos that were trained on are stated.',
  'non_signers': 'Which of the public EMO-AffectNet weights "non-signers data" means is not said: '
  'every file that is given has a row of its own.',
  '7.41': '7.41 % is below chance (14.29 %), and no number of 1,092 clips rounds to it: 81 are '
  '7.42 %.',
  'when_segment': 'Whether the segment is chosen at training, at evaluation or at both is not '
  'said; here it is chosen at evaluation, of one trained model, unless the row says otherwise.',
  'parameters': 'The paper gives EANwH about 300 M parameters. ResNet-50 with its 512-d layer has '
  '24.6 M and the LSTM head 3.1 M: 27.7 M.',
  'embedding': 'The paper takes the 512-d embedding from global average pooling, which in the '
  'reference code has 2,048; the 512 are the layer after it, and that is what is used here.',
  'hand_start': 'How the hand inputs start when EANwH begins from the weights of EAN is not said: '
  'here at zero, so that it starts as EAN, unless config.hand_start says otherwise.',
  'class_distribution': 'The text cites the class distribution of BOBSL-M_C as Table 8; it is '
  'Table 9.',
  'table_6_7': 'The text calls Table 7 consistent with "the test on BOBSL-M_C shown in Table 6"; '
  'Table 6 is EmoSign.',
  'two_signers': 'eJSL has two signers: intervals are conditional on them and say nothing of '
  'others.',
  'anger': 'EmoSign has 3 clips of anger, two by one signer; the F1 of such classes moves by a '
  'third with a clip.',
  'mapping': "EmoSign to the seven emotions by the paper's Appendix A.",
}


def _paper(number: int) -> str:
  return f'Table {number} of the paper'


def _pair(wacc: float, macro_f1: float) -> dict[str, float]:
  return dict(wacc=wacc, macro_f1=macro_f1)


def _emotions(*f1: float) -> dict[str, float]:
  return dict(zip(labels.EMOTIONS, f1, strict=True))


_M_C = dict(corpus='bobsl/m_c', embedded='bobsl_like', clips=930, columns=('wacc', 'macro_f1'))
_EJSL = dict(corpus='ejsl', embedded='ejsl_like', clips=1092, columns=('wacc', 'macro_f1'))

PAPER = {
  'table1': Table(
    title='Weak labels from subtitles, on BOBSL-M_C',
    where=_paper(1),
    **_M_C,
    rows={
      'non_signers': Row('EAN, non-signers', _pair(15.54, 12.12)),
      'a_tea': Row('EAN, BOBSL-A_TEA', _pair(27.85, 17.75)),
    },
    notes=('wacc', 'non_signers', 'text_labels', 'ter_choice', 'overlap', 'class_distribution'),
  ),
  'table2': Table(
    title='Weak labels from subtitles, on eJSL',
    where=_paper(2),
    **_EJSL,
    rows={
      'non_signers': Row('EAN, non-signers', _pair(7.41, 9.25)),
      'a_tea': Row('EAN, BOBSL-A_TEA', _pair(15.11, 12.11)),
    },
    notes=('7.41', 'non_signers', 'two_signers'),
  ),
  'table3': Table(
    title='Which segment of a clip, on eJSL',
    where=_paper(3),
    **_EJSL,
    rows={
      'full': Row('full clip', _pair(15.11, 12.11)),
      'random_2s': Row('random 2 s', _pair(15.20, 12.29), segment='random_2s'),
      'last_2s': Row('last 2 s', _pair(23.17, 19.26), segment='last_2s'),
    },
    notes=('when_segment', 'two_signers'),
  ),
  'table4': Table(
    title='Hands beside the face, on BOBSL-M_C',
    where=_paper(4),
    **_M_C,
    rows={
      'ean': Row('EAN (full clip)', _pair(27.85, 17.75)),
      'eanwh': Row('EANwH (full clip)', _pair(32.72, 20.03)),
    },
    notes=('wacc', 'text_labels', 'ter_choice', 'overlap', 'hand_start', 'parameters'),
  ),
  'table5': Table(
    title='Hands beside the face, on eJSL',
    where=_paper(5),
    **_EJSL,
    rows={
      'ean': Row('EAN (full clip)', _pair(15.11, 12.11)),
      'ean_last_2s': Row('EAN (last 2 s)', _pair(23.17, 19.26), segment='last_2s'),
      'eanwh': Row('EANwH (full clip)', _pair(24.63, 21.09)),
    },
    notes=('when_segment', 'two_signers', 'hand_start', 'embedding'),
  ),
  'table6': Table(
    title='Vision language models and EANwH, on EmoSign',
    where=_paper(6),
    corpus='emosign/single',
    embedded='emosign_like',
    clips=140,
    columns=('macro_f1',),
    per_class='f1',
    rows={
      'qwen': Row(
        'Qwen2.5-VL',
        dict(macro_f1=14.26),
        _emotions(39.18, 4.26, 28.57, 0.00, 0.00, 17.65, 10.17),
        peer=True,
      ),
      'gpt4o': Row(
        'GPT-4o',
        dict(macro_f1=14.65),
        _emotions(38.38, 27.27, 0.00, 28.57, 8.33, 0.00, 0.00),
        peer=True,
      ),
      'eanwh': Row(
        'EANwH',
        dict(macro_f1=16.88),
        _emotions(30.99, 16.67, 26.67, 8.33, 10.53, 0.00, 25.00),
      ),
    },
    notes=('mapping', 'anger', 'table_6_7'),
  ),
  'table7': Table(
    title='Vision language models and EANwH, on eJSL',
    where=_paper(7),
    **(_EJSL | dict(columns=('macro_f1',))),
    per_class='f1',
    rows={
      'qwen': Row(
        'Qwen2.5-VL',
        dict(macro_f1=11.17),
        _emotions(20.91, 11.98, 2.53, 12.10, 9.57, 1.27, 19.84),
        peer=True,
      ),
      'gpt4o': Row(
        'GPT-4o',
        dict(macro_f1=11.15),
        _emotions(7.38, 4.64, 15.93, 23.79, 8.61, 11.00, 6.67),
        peer=True,
      ),
      'eanwh': Row(
        'EANwH',
        dict(macro_f1=21.09),
        _emotions(35.91, 10.64, 15.55, 14.29, 9.65, 21.10, 40.49),
      ),
    },
    notes=('two_signers', 'table_6_7'),
  ),
}


@dataclasses.dataclass(frozen=True)
class Counts:
  """A published table of how many clips there are.

  Attributes:
    title, where, notes: as of `Table`.
    columns: what is counted: name -> corpus whose clips those are.
    rows: row -> counts in the order of the columns.
    embedded: name of a column -> split of the synthetic corpus in its place.
  """

  title: str
  where: str
  columns: Mapping[str, str]
  rows: Mapping[str, tuple[int, ...]]
  embedded: Mapping[str, str]
  notes: tuple[str, ...] = ()


COUNTS = {
  'table8': Counts(
    title="EmoSign's single expression set",
    where=_paper(8),
    columns={'clips': 'emosign/single'},
    rows={name: (n,) for name, n in zip(labels.EMOTIONS, (54, 29, 3, 10, 21, 12, 11), strict=True)},
    embedded={'clips': 'emosign_like'},
    notes=('mapping',),
  ),
  'table9': Counts(
    title='Labels by two annotators of BOBSL-M and where they agree',
    where=_paper(9),
    columns={'M_A1': 'bobsl/m_a1', 'M_A2': 'bobsl/m_a2', 'M_C': 'bobsl/m_c'},
    rows=dict(
      zip(
        labels.EMOTIONS,
        (
          (59, 251, 48),
          (37, 110, 25),
          (35, 92, 26),
          (19, 55, 10),
          (21, 33, 5),
          (34, 47, 8),
          (1233, 850, 808),
        ),
        strict=True,
      )
    ),
    embedded={'M_C': 'bobsl_like'},
    notes=('text_labels', 'class_distribution'),
  ),
}


def _recalls(*values: int) -> dict[str, float]:
  return dict(zip(labels.EXPRESSIONS, map(float, values), strict=True))


def _emosign(wacc: float, wf1: float) -> dict[str, float]:
  return dict(wacc=wacc, weighted_f1=wf1)


def _sentiment_rows(*rows: tuple[str, str, bool, float, float]) -> dict[str, Row]:
  return {
    key: Row(name, _emosign(wacc, wf1), peer=True, captions=captions)
    for key, name, captions, wacc, wf1 in rows
  }


_WF1 = ('wacc', 'weighted_f1')

# EmoSign's own benchmark; its baselines are asked without training.
EMOSIGN = {
  'emosign_expression': Table(
    title="EmoSign's ten categories",
    where="EmoSign's table of single-label emotions",
    corpus='emosign/single',
    task='expression',
    clips=140,
    columns=_WF1,
    per_class='recall',
    rows={
      'minigpt4': Row(
        'MiniGPT4', _emosign(13.01, 22.02), _recalls(69, 20, 14, 0, 0, 0, 0, 0, 0, 27), peer=True
      ),
      'qwen': Row(
        'Qwen2.5-VL', _emosign(14.39, 18.53), _recalls(35, 0, 43, 0, 0, 0, 0, 5, 33, 27), peer=True
      ),
      'affectgpt': Row(
        'AffectGPT', _emosign(12.62, 11.03), _recalls(11, 0, 0, 7, 30, 0, 0, 5, 0, 73), peer=True
      ),
      'gpt4o': Row(
        'GPT-4o', _emosign(11.50, 20.76), _recalls(35, 0, 0, 7, 0, 0, 20, 53, 0, 0), peer=True
      ),
      'minigpt4_captions': Row(
        'MiniGPT4',
        _emosign(23.56, 35.89),
        _recalls(89, 0, 14, 7, 30, 43, 10, 0, 33, 9),
        peer=True,
        captions=True,
      ),
      'qwen_captions': Row(
        'Qwen2.5-VL',
        _emosign(34.96, 44.67),
        _recalls(63, 40, 29, 64, 0, 14, 20, 32, 33, 55),
        peer=True,
        captions=True,
      ),
      'affectgpt_captions': Row(
        'AffectGPT',
        _emosign(30.17, 47.77),
        _recalls(85, 20, 0, 50, 30, 14, 10, 32, 33, 27),
        peer=True,
        captions=True,
      ),
      'gpt4o_captions': Row(
        'GPT-4o',
        _emosign(35.97, 55.09),
        _recalls(89, 20, 0, 79, 20, 29, 50, 74, 0, 0),
        peer=True,
        captions=True,
      ),
    },
    notes=('anger',),
  ),
  'emosign_sentiment3': Table(
    title="EmoSign's sentiment, three classes",
    where="EmoSign's table of sentiment",
    corpus='emosign/all',
    task='sentiment3',
    clips=200,
    columns=_WF1,
    rows=_sentiment_rows(
      ('minigpt4', 'MiniGPT4', False, 34.68, 40.00),
      ('qwen', 'Qwen2.5-VL', False, 27.34, 16.47),
      ('affectgpt', 'AffectGPT', False, 33.33, 0.04),
      ('gpt4o', 'GPT-4o', False, 40.72, 24.43),
      ('minigpt4_captions', 'MiniGPT4', True, 21.65, 36.89),
      ('qwen_captions', 'Qwen2.5-VL', True, 41.10, 54.29),
      ('affectgpt_captions', 'AffectGPT', True, 56.18, 64.37),
      ('gpt4o_captions', 'GPT-4o', True, 52.13, 76.72),
      ('hearing', 'hearing person', False, 55.64, 57.64),
    ),
    notes=(),
  ),
  'emosign_sentiment': Table(
    title="EmoSign's sentiment, seven classes",
    where="EmoSign's table of sentiment",
    corpus='emosign/all',
    task='sentiment',
    clips=200,
    columns=_WF1,
    rows=_sentiment_rows(
      ('minigpt4', 'MiniGPT4', False, 14.46, 13.03),
      ('qwen', 'Qwen2.5-VL', False, 10.26, 2.44),
      ('affectgpt', 'AffectGPT', False, 14.29, 0.04),
      ('gpt4o', 'GPT-4o', False, 19.81, 5.97),
      ('minigpt4_captions', 'MiniGPT4', True, 9.76, 12.18),
      ('qwen_captions', 'Qwen2.5-VL', True, 15.84, 14.51),
      ('affectgpt_captions', 'AffectGPT', True, 21.02, 16.13),
      ('gpt4o_captions', 'GPT-4o', True, 22.89, 26.35),
      ('hearing', 'hearing person', False, 25.48, 21.39),
    ),
    notes=(),
  ),
}

TABLES = PAPER | EMOSIGN

# The paper's footnote 6: 70 eJSL clips of one signer, ten of a class, macro F1 in per cent.
HUMANS = {'the other signer': 77.78, 'a non-signer': 57.85}
HUMAN_CLIPS_PER_CLASS = 10


# What rows are called that only this project has.
OWN = {
  'table3/random_2s_trained': 'random 2 s, at training too',
  'table3/last_2s_trained': 'last 2 s, at training too',
  'table5/eanwh_loso': 'EANwH, trained on the other signer',
  'table6/eanwh_folds': 'EANwH, cross-validated by signer',
  'emosign_expression/eanwh': 'EANwH, cross-validated by signer',
  'emosign_sentiment3/eanwh': 'EANwH, cross-validated by signer',
  'emosign_sentiment/eanwh': 'EANwH, cross-validated by signer',
}


def called(table: str, key: str) -> str:
  """The name of a row's method; of a row that neither knows, its key."""
  found = TABLES[table].rows.get(key)
  return found.name if found else OWN.get(f'{table}/{key}', key)


def row(name: str) -> tuple[Table, Row | None]:
  """`table1/a_tea` -> its table and row; None for a row that only this project has.

  Raises:
    UserError: no such table.
  """
  table, _, key = name.partition('/')
  if table not in TABLES or not key:
    raise UserError(
      f'{name!r} names no row of a published table{labels.nearest(table, TABLES)}: write '
      f'<table>/<row>; the tables are {", ".join(TABLES)}'
    )
  return TABLES[table], TABLES[table].rows.get(key)


def beside(name: str) -> dict[str, dict[str, object]]:
  """What `config.paper` holds of a row, for the report of its run alone: corpus -> segment, number
  of clips, wAcc and macro F1 in per cent (None where the table has none). Empty for a row that only
  this project has."""
  table, found = row(name)
  if found is None:
    return {}
  scores = tuple(found.scores.get(metric) for metric in ('wacc', 'macro_f1'))
  return {table.corpus: dict(segment=found.segment, clips=table.clips, scores=scores)}
