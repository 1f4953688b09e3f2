"""Clips in which little was seen: marked, kept or dropped in training, always scored."""

import dataclasses
import json
import shutil
import time

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from emo_jax import (
  coverage,
  evaluate,
  experiment,
  predictions,
  run_report,
  train,
  training_clips,
)
from emo_jax.corpora import Split
from emo_jax.errors import UserError, exit_status
from emo_jax.survey import survey
from emo_jax.video import clip as clip_lib
from tests import toys
from tfds_builders import clip_features

POOR = (3, 8, 20, 31)  # clips of `with_poor_clips` that show a face in two of their first frames


def with_poor_clips(count=45, seed=0, spec='toy:train') -> Split:
  """The toy split with a face in only two frames of some clips; the last one has none at all."""
  split = toys.split(count, seed, spec)
  for i in POOR:
    if i < count - 1:
      split.source[i]['face_present'][2:] = False
  return split


def low(split: Split, limit=0.5) -> list[int]:
  shares = [e['face_present'].mean() for e in split.source]
  return [i for i, share in enumerate(shares) if share < limit]


def fit(workdir, split, after_step=lambda step, progress: None, **changes):
  validation = toys.split(20, 1, 'toy:validation')
  return train.fit(toys.config(**changes), workdir, split, validation, after_step)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A run that dropped the poor clips of its training split and was tested on some."""
  workdir = tmp_path_factory.mktemp('run')
  config = toys.config(train__total_steps=4, train__low_coverage='drop')
  config = json.loads(json.dumps(config))
  (workdir / 'config.json').write_text(json.dumps(config))
  validation = toys.split(20, 1, 'toy:validation')
  tests = [with_poor_clips(30, 2, 'toy:test')]
  experiment.finish(config, workdir, with_poor_clips(), validation, tests)
  return workdir


@pytest.fixture
def workdir(finished, tmp_path):
  """A copy to write to."""
  return shutil.copytree(finished, tmp_path / 'run')


def random_clip(rng: np.random.Generator, frames: int) -> clip_lib.Clip:
  """A clip of zeros but for where a face and hands are."""
  fields = {
    name: np.zeros([frames if n is None else n for n in shape], dtype)
    for name, (shape, dtype) in clip_lib.FIELDS.items()
  }
  seen = rng.random((frames, 2)) < 0.6
  fields |= dict(
    fps=np.float32(25),
    face_present=rng.random(frames) < 0.5,
    hand_score=np.where(seen, rng.random((frames, 2)), 0).astype(np.float32),
  )
  return clip_lib.Clip(**fields)


class StoredToys(tfds.core.GeneratorBasedBuilder):
  """Six random clips on disk, in two splits."""

  VERSION = clip_features.VERSION
  url_infos = None

  def __init__(self, **kwargs):
    super().__init__(**clip_features.readable_without_tensorflow(kwargs))

  def _info(self):
    return tfds.core.DatasetInfo(builder=self, features=clip_features.features(('emotion',)))

  def _split_generators(self, dl_manager):
    return {'a': self._generate_examples(0), 'b': self._generate_examples(1)}

  def _generate_examples(self, seed):
    rng = np.random.default_rng(seed)
    for i in range(3):
      clip_id = f'{seed}-{i}'
      text = dict(id=clip_id, signer='s', utterance='u', text='')
      clip = random_clip(rng, int(rng.integers(1, 30)))
      yield clip_id, clip_features.example(clip, **text, task_labels={'emotion': i - 1})


def test_shares_are_of_all_frames_of_the_clip():
  face = np.array([True, True, False, False, True])
  hands = np.array([[0.9, 0], [0, 0.5], [0.9, 0.9], [0, 0], [0, 0.7]], np.float32)
  expected = dict(face=0.6, left_hand=0.4, right_hand=0.6, hands=0.8)
  assert coverage.shares(face, hands) == expected
  assert set(coverage.shares(face[:0], hands[:0]).values()) == {0.0}


@pytest.mark.parametrize(
  ('limits', 'marks'),
  [
    (dict(face=0.61, hands=0.0), {'face': True, 'hands': False}),
    (dict(face=0.6, hands=0.8), {'face': False, 'hands': False}),  # no less than the limit
    (dict(hands=0.5), {'hands': False}),  # a sign of one hand is no poor clip
    (dict(left_hand=0.5), {'left_hand': True}),
    ({}, {}),
  ],
)
def test_a_clip_is_marked_below_a_limit(limits, marks):
  shares = dict(face=0.6, left_hand=0.0, right_hand=0.8, hands=0.8)
  assert coverage.low(shares, limits) == marks


def test_by_default_marked_clips_are_learnt_from_as_if_there_were_no_limit(tmp_path, capsys):
  fitted = fit(tmp_path, with_poor_clips(), train__total_steps=1)
  # The clip without any face is marked too, but it is not learnt from in any case.
  said = 'training on 44 of 45 clips of toy:train; low coverage: 4 marked (face below 0.5: 4), kept'
  assert said in capsys.readouterr().err
  assert len(low(with_poor_clips())) == 5
  assert fitted.clips['learnt_from'] == fitted.clips['usable'] == 44
  found = survey(with_poor_clips(), 'emotion')
  for limit in (0.0, 1.0):
    config = toys.config(min_coverage__face=limit)
    assert training_clips.choose(config, found, 'toy:train')[0].tolist() == [*range(44)]


def test_dropped_clips_are_as_if_they_were_not_there_after_a_kill_too(tmp_path, capsys):
  class Killed(Exception):
    pass

  def kill(step, _):
    if step == 9:
      while not (tmp_path / 'dropped/checkpoints/7').is_dir():  # written in the background
        time.sleep(0.01)
      raise Killed

  split = with_poor_clips()
  poor = low(split)
  kept = [e for i, e in enumerate(split.source) if i not in poor]
  how = dict(train__total_steps=11, train__segment='random_2s')
  without = fit(tmp_path / 'without', dataclasses.replace(split, source=kept), **how)
  with pytest.raises(Killed):
    fit(tmp_path / 'dropped', split, kill, train__low_coverage='drop', **how)
  capsys.readouterr()
  dropped = fit(tmp_path / 'dropped', split, train__low_coverage='drop', **how)
  said = capsys.readouterr().err
  assert 'training on 40 of 45 clips' in said and 'resuming at step 7' in said
  assert 'low coverage: 4 marked (face below 0.5: 4), dropped' in said
  pairs = zip(jax.tree.leaves(dropped.params), jax.tree.leaves(without.params), strict=True)
  assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)
  lines = [(tmp_path / name / 'metrics.jsonl').read_text() for name in ('without', 'dropped')]
  assert lines[0] == lines[1]


def test_nothing_left_to_learn_from_is_one_line(tmp_path):
  split = toys.split()
  for example in split.source:
    example['hand_score'][:] = 0
  message = r'leaves none of its 44 clips with a face and a label \(face below 0.5: 0, hands below'
  with pytest.raises(UserError, match=message) as caught:
    fit(tmp_path, split, train__low_coverage='drop', min_coverage__hands=0.1)
  assert '\n' not in str(caught.value)


def test_predictions_say_what_was_seen_whatever_segment_is_read(workdir, monkeypatch):
  split = with_poor_clips(30, 2, 'toy:test')
  monkeypatch.setattr('emo_jax.corpora.open_split', lambda spec, where: split)
  arguments = [str(workdir), '--corpus=toy', '--split=test', '--segment=last_2s']
  assert exit_status(evaluate.main, arguments) == 0
  poor = {split.source[i]['id'].decode() for i in low(split)}
  assert len(poor) == 4
  for segment in ('full', 'last_2s'):
    found = predictions.read(workdir / 'predictions' / f'toy-test-{segment}.jsonl')
    assert {p.id for p in found if p.low_coverage} == poor
    assert all(p.low_coverage in ([], ['face']) for p in found)
    for p, example in zip(found, split.source, strict=True):
      assert p.coverage['face'] == pytest.approx(example['face_present'].mean())
      assert p.coverage['hands'] == 1


def test_scores_count_every_clip_and_are_given_without_the_marked_ones_too(finished):
  (entry,) = run_report.read(finished)['evals']
  found = predictions.read(finished / 'predictions/toy-test-full.jsonl')
  unmarked = predictions.score([p for p in found if not p.low_coverage], 'emotion')
  assert (entry['n'], entry['n_clips'], entry['n_without_face']) == (30, 30, 1)
  assert entry['n_low_coverage'] == 4 and entry['low_coverage'] == {'face': 4}
  assert entry['min_coverage'] == dict(face=0.5, hands=0.0)
  assert entry['without_low_coverage'] == {
    k: unmarked[k] for k in ('n', 'wacc', 'accuracy', 'macro_f1')
  }
  assert entry['without_low_coverage']['n'] == 26
  limits_gone = [dataclasses.replace(p, low_coverage=[]) for p in found]
  assert predictions.score(limits_gone, 'emotion')['macro_f1'] == entry['macro_f1']


def test_the_report_says_what_training_and_scoring_did(finished):
  result = run_report.read(finished)
  assert result['training_clips'] == dict(
    clips=45,
    usable=44,
    n_low_coverage=4,
    low_coverage=dict(face=4, hands=0),
    learnt_from=40,
    min_coverage=dict(face=0.5, hands=0.0),
    choice='drop',
  )
  text = (finished / 'report.md').read_text()
  assert '4 of these are marked (face below 0.5: 4) and were dropped in training' in text
  row = next(line for line in text.splitlines() if '30 / 26' in line)
  assert [cell.strip() for cell in row.split('|')][3:6] == ['30', '1', '4 (face below 0.5: 4)']
  assert '30 / 26' in run_report.summary(result, {})


def test_every_clip_of_an_evaluation_may_be_marked(finished):
  found = predictions.read(finished / 'predictions/toy-test-full.jsonl')
  marked = [dataclasses.replace(p, low_coverage=['face', 'hands']) for p in found]
  score = predictions.score(marked, 'emotion')
  assert (score['n'], score['n_low_coverage']) == (30, 30)
  assert score['low_coverage'] == dict(face=30, hands=30)
  assert score['without_low_coverage'] == dict(n=0, wacc=None, accuracy=None, macro_f1=None)


def test_a_run_of_an_earlier_version_is_evaluated_without_limits(workdir, monkeypatch):
  config = json.loads((workdir / 'config.json').read_text())
  del config['min_coverage'], config['train']['low_coverage']
  (workdir / 'config.json').write_text(json.dumps(config))
  result = json.loads((workdir / 'report.json').read_text())
  del result['training_clips']
  for name in ('n_low_coverage', 'low_coverage', 'min_coverage', 'without_low_coverage'):
    del result['evals'][0][name]
  (workdir / 'report.json').write_text(json.dumps(result))
  file = workdir / 'predictions/toy-test-full.jsonl'
  new = predictions.read(file)
  lines = [json.loads(line) for line in file.read_text().splitlines()]
  for line in lines:
    del line['coverage'], line['low_coverage']
  file.write_text(''.join(json.dumps(line) + '\n' for line in lines))

  old = predictions.read(file)
  assert [dataclasses.replace(p, coverage=None, low_coverage=None) for p in new] == old
  assert predictions.score(old, 'emotion')['wacc'] == predictions.score(new, 'emotion')['wacc']
  monkeypatch.setattr(
    'emo_jax.corpora.open_split', lambda spec, where: with_poor_clips(12, 3, 'toy:other')
  )
  assert exit_status(evaluate.main, [str(workdir), '--corpus=toy', '--split=other']) == 0
  before, entry = run_report.read(workdir)['evals']
  assert 'n_low_coverage' not in before
  assert (entry['n_low_coverage'], entry['min_coverage']) == (0, {})
  rows = [x for x in (workdir / 'report.md').read_text().splitlines() if '(no limit)' in x]
  assert len(rows) == 1 and 'toy:other' in rows[0]


def test_a_survey_of_a_stored_corpus_tells_what_its_examples_hold(tmp_path):
  builder = StoredToys(data_dir=tmp_path)
  builder.download_and_prepare()
  stored = Split('stored_toys:all', builder.as_data_source(split='all'), toys.KEY, ('emotion',))
  found = survey(stored, 'emotion')
  examples = list(stored.source)
  assert found.label.tolist() == [e['labels']['emotion'] for e in examples]
  assert found.has_face.tolist() == [e['face_present'].any() for e in examples]
  assert found.coverage['face'].tolist() == [e['face_present'].mean() for e in examples]
  hands = [(e['hand_score'] > 0).any(1).mean() for e in examples]
  np.testing.assert_allclose(found.coverage['hands'], hands)
  assert found.frames >= max(len(e['time_s']) for e in examples)
