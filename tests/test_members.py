"""Several heads in one run: folds by signer, seeds, and training them at once or in turn."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from emo_jax import (
  evaluation,
  experiment,
  finished_runs,
  labels,
  members,
  metrics_log,
  predictions,
  run_dir,
  train,
  weights,
)
from emo_jax.errors import UserError
from tests import toys

WHO = ['a'] * 5 + ['b'] * 4 + ['c'] * 3 + ['d']


def folds(**changes):
  how = dict(count=0, listed=(), validation='none') | changes
  return [fold.signers for fold in members.plan_folds(WHO, how)]


def test_folds_keep_signers_apart():
  assert sorted(folds()) == [('a',), ('b',), ('c',), ('d',)]
  assert sorted(folds(count=2)) == [('a', 'd'), ('b', 'c')]  # 6 and 7 clips
  assert folds(listed=('a+d', 'b', 'c')) == [('a', 'd'), ('b',), ('c',)]
  assert folds(listed=('a+d,b,c',)) == [('a', 'd'), ('b',), ('c',)]  # of the command line


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (dict(count=5), 'count is 5, but there are 4 signers'),
    (dict(count=1), '1 folds: at least 2'),
    (dict(count=2, validation='next'), "2 folds: at least 3 .*validation='none'"),
    (dict(listed=('a+b', 'c')), 'has no d: name every signer once'),
    (dict(listed=('a+b', 'b+c+d')), 'has b twice'),
    (dict(listed=('a+bob', 'c')), "names 'bob'.*who signs no clip; the signers are a, b, c, d"),
  ],
)
def test_folds_that_cannot_be(changes, message):
  with pytest.raises(UserError, match=message):
    folds(**changes)


def folded(**changes):
  """A config that is cross-validated."""
  config = toys.config(repeats=2, data__folds='toy:train', data__test=(), **changes)
  config['data'] |= dict(train='', validation='')
  config['embedded']['test'] = ()
  config['embedded'] |= dict(train='', validation='', folds='toy:train')
  return config


def signers_of(split):
  return {clip['signer'] for clip in split.source}


def test_no_head_learns_from_a_signer_it_is_selected_or_tested_on():
  config = folded(folds__validation='next')
  found, heads = members.cross_validated(config, toys.split(), None)
  assert len(found) == 3 and [h.seed for h in heads] == [0, 1] * 3
  assert len({h.name for h in heads}) == 6
  for head in heads:
    parts = [signers_of(split) for split in (head.train, head.validation, head.test)]
    assert set.union(*parts) == {b'toy:train-0', b'toy:train-1', b'toy:train-2'}
    assert sum(map(len, parts)) == 3
  for seed in (0, 1):
    tested = [clip['id'] for h in heads if h.seed == seed for clip in h.test.source]
    assert len(tested) == len(set(tested)) == 45


def test_clips_that_every_fold_learns_from_besides():
  more = toys.split(10, 7, 'more:train')
  _, heads = members.cross_validated(folded(), toys.split(), more)
  for head in heads:
    assert len(head.train.source) == 45 - len(head.test.source) + 10
    assert 'more:train' in head.train.spec


def test_clips_of_a_tested_signer_are_not_learnt_from_besides():
  more = dataclasses.replace(toys.split(12), spec='toy:more')  # by the same three signers
  _, heads = members.cross_validated(folded(folds__validation='next'), toys.split(), more)
  for head in heads:
    parts = [signers_of(split) for split in (head.train, head.validation, head.test)]
    assert not parts[0] & (parts[1] | parts[2])
    assert len(head.train.source) > 15


def leaves(fitted):
  return [np.asarray(x) for one in fitted for x in jax.tree.leaves(one.params)]


def heads_of(config):
  """Three heads of folds of different sizes."""
  how = config | dict(folds=dict(count=0, listed=(), validation='next'))
  split = toys.split(50)
  for clip in split.source[30:40]:
    clip['signer'] = b'toy:train-0'
  return members.cross_validated(how | dict(repeats=1), split, None)[1]


@pytest.mark.parametrize('devices', [1, 8])
def test_heads_trained_at_once_are_those_trained_in_turn(tmp_path, devices):
  config = toys.config(devices=devices, train__total_steps=0, train__total_epochs=5)
  heads = heads_of(config)
  assert len({len(h.train.source) for h in heads}) > 1
  found = [train.fit_all(config | dict(heads_at_once=n), tmp_path / str(n), heads) for n in (1, 3)]
  for one, three in zip(*found, strict=True):
    assert (one.step, one.clips) == (three.step, three.clips)
    assert one.temperature == pytest.approx(three.temperature, rel=1e-3)
  for one, three in zip(*map(leaves, found), strict=True):
    np.testing.assert_allclose(three, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())
  for head in heads:
    logs = [metrics_log.read(head.folder(tmp_path / n)) for n in '13']
    at = [{x['step']: x['loss'] for x in log if 'loss' in x} for log in logs]
    common = at[0].keys() & at[1].keys()
    assert max(common) == max(at[0]) == max(at[1])
    scored = [[x['step'] for x in log if 'validation/wacc' in x] for log in logs]
    assert scored[0] == scored[1]


class Killed(Exception):
  """Stands for a run that ends between two steps."""


def test_heads_broken_off_go_on_and_end_the_same(tmp_path):
  config = toys.config(heads_at_once=2)  # of three: two at once, then one
  heads = heads_of(config)
  whole = train.fit_all(config, tmp_path / 'whole', heads)

  def kill(step, _):
    if step == 12:  # five steps after the checkpoint at 7
      raise Killed

  with pytest.raises(Killed):
    train.fit_all(config, tmp_path / 'broken', heads, after_step=kill)
  resumed = train.fit_all(config, tmp_path / 'broken', heads)
  for a, b in zip(leaves(whole), leaves(resumed), strict=True):
    np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


def test_layers_that_are_frozen_stay_as_they_start(tmp_path):
  config = toys.config(train__freeze=('lstm1',), train__total_steps=3)
  start = train.fit(config | dict(select='last'), tmp_path / 'a', toys.split(), toys.split(20, 1))
  more = toys.config(train__freeze=('lstm1',), train__total_steps=6, select='last')
  later = train.fit(more, tmp_path / 'b', toys.split(), toys.split(20, 1))
  same = jax.tree.map(lambda a, b: bool((a == b).all()), start.params, later.params)
  assert all(jax.tree.leaves(same['lstm1'])) and not any(jax.tree.leaves(same['logits']))


def claimed(config, workdir):
  """The config as its `config.json` gives it back."""
  config = run_dir.plain(config)
  run_dir.claim(workdir, config, {})
  return config


def test_folds_are_pooled_and_every_clip_counts_once_per_seed(tmp_path):
  config = claimed(folded(train__total_steps=4, select='last'), tmp_path)
  result = experiment.cross_validate(config, tmp_path, toys.split(), None)
  (entry,) = result['evals']
  assert (entry['n'], entry['n_repeats']) == (45, 2) and np.sum(entry['confusion']) == 90
  found = predictions.read(tmp_path / 'predictions' / 'toy-train-full.jsonl')
  assert len({(p.id, p.seed) for p in found}) == len(found) == 90
  assert {p.signer for p in found} == {'toy:train-0', 'toy:train-1', 'toy:train-2'}
  assert [fold['signers'] for fold in result['folds']] == [[f'toy:train-{i}'] for i in range(3)]
  opened = finished_runs.open_run(tmp_path)
  assert len(opened.heads) == 6
  with pytest.raises(UserError, match='is cross-validated: its heads learnt from different'):
    evaluation.score_run(tmp_path, 'toy', 'test', '', '')


def test_scores_of_several_seeds_are_their_mean(tmp_path):
  config = claimed(toys.config(repeats=3, train__total_steps=4), tmp_path / 'all')
  splits = (toys.split(), toys.split(20, 1, 'toy:validation'), [toys.split(30, 2, 'toy:test')])
  (entry,) = experiment.finish(config, tmp_path / 'all', *splits)['evals']
  alone = []
  for seed in range(3):
    one = claimed(toys.config(seed=seed, train__total_steps=4), tmp_path / str(seed))
    alone += experiment.finish(one, tmp_path / str(seed), *splits)['evals']
  for name in ('wacc', 'macro_f1', 'accuracy'):
    assert entry[name] == pytest.approx(np.mean([e[name] for e in alone]))
  assert entry['n_repeats'] == 3 and entry['n'] == 30
  assert np.array_equal(entry['confusion'], np.sum([e['confusion'] for e in alone], axis=0))


def test_scores_of_random_segments_are_the_mean_over_draws(tmp_path):
  config = toys.config(eval__segment='random_2s', eval__draws=4, train__total_steps=4)
  config = claimed(config, tmp_path)
  long = toys.split(30, 2, 'toy:test')
  validation = toys.split(20, 1, 'toy:validation')
  (entry,) = experiment.finish(config, tmp_path, toys.split(), validation, [long])['evals']
  found = predictions.read(tmp_path / 'predictions' / 'toy-test-random_2s.jsonl')
  assert entry['n_repeats'] == 4 and len(found) == 120
  each = [
    predictions.score([p for p in found if p.draw == draw], 'emotion')['wacc'] for draw in range(4)
  ]
  assert entry['wacc'] == pytest.approx(np.mean(each))
  drawn = {p.draw: p.probabilities['joy'] for p in found if p.id == 'toy:test-0'}
  assert len(set(drawn.values())) > 1  # a clip of more than 2 s, read elsewhere each time


def test_a_run_can_be_scored_by_another_config_of_the_same_training(tmp_path):
  splits = (toys.split(), toys.split(20, 1, 'toy:validation'))
  tests = [toys.split(30, 2, 'toy:test')]
  config = claimed(toys.config(train__total_steps=4), tmp_path / 'full')
  full = experiment.finish(config, tmp_path / 'full', *splits, tests)
  other = claimed(
    toys.config(train__total_steps=4, eval__segment='last_2s', name='last'), tmp_path / 'last'
  )
  last = experiment.finish(other, tmp_path / 'last', *splits, tests, tmp_path / 'full')
  assert last['trained_in'] == '../full' and not (tmp_path / 'last' / 'checkpoints').exists()
  assert last['temperature'] == full['temperature']
  opened = [finished_runs.open_run(tmp_path / name).params for name in ('full', 'last')]
  assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, opened), strict=True))
  third = claimed(toys.config(train__total_steps=4, name='third'), tmp_path / 'third')
  again = experiment.finish(third, tmp_path / 'third', *splits, tests, tmp_path / 'last')
  assert again['trained_in'] == '../full'  # not a link to a link
  assert finished_runs.open_run(tmp_path / 'third').params
  other = claimed(toys.config(train__total_steps=4, seed=9), tmp_path / 'else' / 'full')
  experiment.finish(other, tmp_path / 'else' / 'full', *splits, tests)
  shutil.copytree(tmp_path / 'last', tmp_path / 'else' / 'last')  # beside another `full`
  with pytest.raises(UserError, match='full no longer holds what .*last was scored with'):
    finished_runs.open_run(tmp_path / 'else' / 'last')
  shutil.copytree(tmp_path / 'last', tmp_path / 'alone' / 'last')
  with pytest.raises(UserError, match='was trained in .*full, which has no checkpoints'):
    finished_runs.open_run(tmp_path / 'alone' / 'last')
  assert not (tmp_path / 'alone' / 'full').exists()
  changed = run_dir.plain(toys.config(train__total_steps=4, optim__learning_rate=0.5))
  with pytest.raises(UserError, match=r'trained with optim.learning_rate=0.001, .* has 0.5'):
    experiment.finish(changed, tmp_path / 'last', *splits, tests, tmp_path / 'full')


def weight_file(path):
  rng = np.random.default_rng(0)
  flat = {n: rng.standard_normal(s) * 0.1 for n, s in weights.head_shapes(512).items()}
  weights.save(path, head=weights.nest(flat))
  return str(path)


def test_weights_can_be_scored_without_training(tmp_path):
  path = weight_file(tmp_path / 'ean.safetensors')
  config = toys.config(
    init_weights=path, model__inputs=('face',), model__hidden=(512, 256), data__train=''
  )
  config = claimed(config, tmp_path / 'run')
  result = experiment.finish(config, tmp_path / 'run', None, None, [toys.split()])
  assert result['trained_on'] == '' and result['temperature'] == 1.0
  assert result['evals'][0]['n'] == 45
  opened = finished_runs.open_run(tmp_path / 'run').params
  given = weights.load(path)['head']['params']
  assert all(
    np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (opened, given)), strict=True)
  )
  (tmp_path / 'other').mkdir()
  with pytest.raises(UserError, match='trains nothing: give --config.init_weights=FILE'):
    experiment.finish(
      config | dict(init_weights=''), tmp_path / 'other', None, None, [toys.split()]
    )


def test_the_static_model_is_the_mean_of_the_frames(tmp_path):
  rng = np.random.default_rng(0)
  flat = {
    n: (rng.standard_normal(s) * 0.1).astype(np.float32)
    for n, s in weights.backbone_shapes().items()
  }
  path = tmp_path / 'static.safetensors'
  weights.save(path, backbone=weights.nest(flat))
  config = claimed(
    toys.config(
      init_weights=str(path),
      model__kind='static',
      temporal='sequence',
      model__inputs=('face',),
      data__train='',
    ),
    tmp_path / 'run',
  )
  split = toys.split()
  experiment.finish(config, tmp_path / 'run', None, None, [split])
  found = {p.id: p for p in predictions.read(tmp_path / 'run/predictions/toy-train-full.jsonl')}
  layer = weights.load(path)['backbone']['params']['classifier']
  for clip in split.source[:5]:
    logits = clip['face'] @ layer['kernel'] + layer['bias']
    p = np.exp(logits - logits.max(-1, keepdims=True))
    wanted = (p / p.sum(-1, keepdims=True)).mean(0)
    got = found[clip['id'].decode()].probabilities
    np.testing.assert_allclose([got[n] for n in labels.EMOTIONS], wanted, rtol=1e-4, atol=1e-6)


def test_weights_of_another_backbone_are_refused(tmp_path):
  flat = {n: np.ones(s, np.float32) for n, s in weights.backbone_shapes().items()}
  head = {n: np.ones(s, np.float32) for n, s in weights.head_shapes(512).items()}
  path = tmp_path / 'both.safetensors'
  weights.save(path, backbone=weights.nest(flat), head=weights.nest(head))
  config = toys.config(
    init_weights=str(path), model__inputs=('face',), model__hidden=(512, 256), data__train=''
  )
  split = toys.split()
  real = split.key | dict(backbone='f00d')
  with pytest.raises(UserError, match='belongs to the backbone .* the features are of f00d'):
    train.untrained(config, tmp_path / 'run', [dataclasses.replace(split, key=real)])
