"""signsim keeps what it promises: sizes, sources of labels, and what each control takes away."""

import functools
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from emo_jax import labels, provenance
from emo_jax.errors import UserError
from emo_jax.video import clip as clip_lib
from tfds_builders import clip_features
from tfds_builders.signsim import constants, corpus, face, hand, signsim_dataset_builder, text
from tfds_builders.signsim.signsim_dataset_builder import Builder, config_from_name

SEED = 101
NEUTRAL = labels.EMOTIONS.index('neutral')


@functools.cache
def drawn(split, variant='', seed=SEED):
  return [(plan, draw()) for plan, draw in corpus.clips(seed, split, variant)]


def canonical(points):
  # Wrist at the origin, palm along y with length 1: what a model sees of a hand, [..., 21, 2].
  points = points[..., :2] - points[..., :1, :2]
  palm = points[..., 9, 0] + 1j * points[..., 9, 1]
  turned = (points[..., 0] + 1j * points[..., 1]) * 1j / np.where(palm == 0, 1, palm)[..., None]
  return np.stack([turned.real, turned.imag], axis=-1)


def phase_masks(plan):
  rest, signing, hold = plan.phases
  return np.repeat([0, 1, 2], [rest, signing, hold])


def moves(clip):
  # Did the left hand's shape change between frames? [T - 1] of 0 and 1, nan where it is not seen.
  hands = canonical(clip.hand_points)
  moved = np.median(np.abs(np.diff(hands[:, 0], axis=0)), axis=(1, 2)) > 0.04
  seen = clip.hand_score[:, 0] > 0
  return np.where(seen[1:] & seen[:-1], moved, np.nan)


def test_counts_of_splits_and_labels():
  counts = {
    split: np.bincount([p.label for p in corpus.plans(SEED, split)], minlength=7)
    for split in corpus.SPLITS
  }
  sizes = {split: count.sum() for split, count in counts.items()}
  assert sizes == dict(
    nonsigners=700, weak=1400, validation=300, bobsl_like=930, ejsl_like=1092, emosign_like=140
  )
  assert counts['nonsigners'].tolist() == [100] * 7
  assert counts['bobsl_like'].tolist() == [48, 25, 26, 10, 5, 8, 808]
  assert counts['ejsl_like'].tolist() == [156] * 7
  assert counts['emosign_like'].tolist() == [54, 29, 3, 10, 21, 12, 11]
  for split in corpus.WEAK_SPLITS:
    assert counts[split][NEUTRAL] > counts[split].sum() * 0.45
    assert counts[split].argmax() == NEUTRAL


def test_no_signer_is_in_two_splits():
  signers = {s: {p.signer for p in corpus.plans(SEED, s)} for s in corpus.SPLITS}
  assert {s: len(who) for s, who in signers.items()} == dict(
    nonsigners=70, weak=24, validation=6, bobsl_like=6, ejsl_like=2, emosign_like=4
  )
  assert len(set.union(*signers.values())) == 70 + 24 + 6 + 6 + 2 + 4


def test_every_ejsl_like_sentence_has_every_emotion_by_each_signer():
  plans = corpus.plans(SEED, 'ejsl_like')
  assert len({p.text for p in plans}) == len({p.utterance for p in plans}) == 78
  assert len({(p.utterance, p.signer, p.label) for p in plans}) == 78 * 2 * 7
  for utterance in {p.utterance for p in plans}:
    of_sentence = [p for p in plans if p.utterance == utterance]
    assert len({(p.text, tuple(p.grammar.start), tuple(p.grammar.kind)) for p in of_sentence}) == 1


def test_affect_and_label_agree_with_the_text_as_stated():
  plans = [p for seed in range(5) for p in corpus.plans(seed, 'weak')]
  emotion, affect, label = np.array([(p.text_emotion, p.affect, p.label) for p in plans]).T
  bears = emotion != NEUTRAL
  for rows, of_affect, of_label in [
    (bears, constants.AFFECT_AGREES, constants.LABELLER_RIGHT),
    (~bears, constants.AFFECT_AGREES + constants.AFFECT_NEUTRAL, constants.LABELLER_RIGHT),
  ]:
    np.testing.assert_allclose(np.mean(affect[rows] == emotion[rows]), of_affect, atol=0.03)
    np.testing.assert_allclose(np.mean(label[rows] == emotion[rows]), of_label, atol=0.03)
  shares = np.bincount(emotion, minlength=7) / len(emotion)
  np.testing.assert_allclose(shares, constants.TEXT_PRIOR, atol=0.02)


def test_two_labellers_agree_as_the_paper_s_annotators_do():
  table = text.label_given_text()
  np.testing.assert_allclose(table.sum(axis=1), 1)
  np.testing.assert_allclose(text.affect_given_text().sum(axis=1), 1)
  agree = np.array(constants.TEXT_PRIOR) @ (table**2).sum(axis=1)
  assert agree == pytest.approx(0.6467, abs=0.02)  # Appendix B


def test_lengths_do_not_depend_on_the_label():
  for split in ('weak', 'ejsl_like'):
    plans = corpus.plans(SEED, split)
    frames, label = np.array([(sum(p.phases), p.label) for p in plans]).T
    assert frames.mean() == pytest.approx(22, abs=0.5)
    for emotion in range(7):
      of = frames[label == emotion]
      assert abs(of.mean() - frames.mean()) < 4 * frames.std() / np.sqrt(len(of))


def test_same_seed_same_clips_and_other_seed_others():
  for (_, a), (_, draw) in zip(
    drawn('emosign_like'), corpus.clips(SEED, 'emosign_like'), strict=True
  ):
    b = draw()
    for name, (shape, dtype) in clip_lib.FIELDS.items():
      one, other = getattr(a, name), getattr(b, name)
      np.testing.assert_array_equal(one, other)
      assert one.dtype == dtype and one.ndim == len(shape)
  pairs = zip(drawn('emosign_like'), drawn('emosign_like', seed=SEED + 1), strict=True)
  assert not any(np.array_equal(a.face, b.face) for (_, a), (_, b) in pairs)


def test_markers_change_the_face_in_signing_only():
  pairs = zip(drawn('emosign_like'), drawn('emosign_like', 'no_markers'), strict=True)
  for (plan, with_markers), (_, without) in pairs:
    on = face.markers_on(plan.phases, plan.grammar).any(axis=1)
    assert on.any() and not on[phase_masks(plan) != 1].any()
    differs = (with_markers.face != without.face).any(axis=1)
    np.testing.assert_array_equal(differs, on)
    np.testing.assert_array_equal(with_markers.hand_points, without.hand_points)


def test_markers_do_not_depend_on_the_emotion():
  plans = corpus.plans(SEED, 'weak')
  label = np.array([p.label for p in plans])
  cover = np.array([face.markers_on(p.phases, p.grammar).mean(axis=0) for p in plans])
  for emotion in range(7):
    of = cover[label == emotion]
    assert (abs(of.mean(axis=0) - cover.mean(axis=0)) < 4.5 * cover.std(0) / np.sqrt(len(of))).all()


def test_without_markers_affect_is_equally_strong_in_all_phases():
  mean = np.zeros((2, 3, 7, clip_lib.FACE_DIM))  # by signer, phase and emotion
  for plan, clip in drawn('ejsl_like', 'no_markers'):
    signer = int(plan.signer[-2:])
    for phase in range(3):
      frames = clip.face[phase_masks(plan) == phase]
      mean[signer, phase, plan.affect] += frames.mean(axis=0) / constants.EJSL_SENTENCES
  strength = np.linalg.norm(mean - mean[:, :, NEUTRAL:], axis=-1)[..., :NEUTRAL].mean(axis=(0, 2))
  np.testing.assert_allclose(strength / strength.mean(), 1, atol=0.05)


def test_hands_alone_tell_no_emotion():
  features, label, signer = [], [], []
  for plan, clip in drawn('ejsl_like'):
    hands = canonical(clip.hand_points).reshape(len(clip.face), -1)
    features.append(np.concatenate([hands.mean(axis=0), hands.std(axis=0), [len(hands)]]))
    label.append(plan.label)
    signer.append(int(plan.signer[-2:]))
  features, label, signer = map(np.array, (features, label, signer))
  right = []
  for test in (0, 1):
    train = signer != test
    scale = features[train].std(axis=0) + 1e-6
    centre = np.array([features[train & (label == e)].mean(axis=0) for e in range(7)])
    far = np.linalg.norm((features[~train][:, None] - centre) / scale, axis=-1)
    right.append(far.argmin(axis=1) == label[~train])
  chance = 1 / 7
  deviation = np.sqrt(chance * (1 - chance) / len(label))
  assert abs(np.mean(right) - chance) < 3 * deviation


def test_hands_move_in_signing_and_shuffled_hands_do_not_follow_it():
  def share(split, variant):
    moved = np.concatenate([moves(clip) for _, clip in drawn(split, variant)])
    phase = np.concatenate([phase_masks(plan)[1:] for plan, _ in drawn(split, variant)])
    return [np.nanmean(moved[phase == p]) for p in range(3)]

  rest, signing, hold = share('validation', '')
  assert signing > 0.8 and rest < 0.1 and hold < 0.1
  np.testing.assert_allclose(np.ptp(share('weak', 'hands_shuffled')), 0, atol=0.05)


def test_shuffled_hands_are_another_clip_s_and_the_rest_stays():
  pairs = zip(drawn('validation'), drawn('validation', 'hands_shuffled'), strict=True)
  for (_, a), (_, b) in pairs:
    assert not np.array_equal(a.hand_points, b.hand_points)
    np.testing.assert_array_equal(a.face, b.face)
    assert len(b.hand_points) == len(a.hand_points)


def test_shuffled_labels_keep_their_counts_and_lose_the_affect():
  for split in corpus.SPLITS:
    plans = corpus.plans(SEED, split)
    shuffled = corpus.plans(SEED, split, 'labels_shuffled')
    assert Counter(p.label for p in plans) == Counter(p.label for p in shuffled)
    assert [p.id for p in plans] == [p.id for p in shuffled]
    if split not in corpus.WEAK_SPLITS:
      assert [p.label for p in plans] == [p.label for p in shuffled]
  shuffled = corpus.plans(SEED, 'weak', 'labels_shuffled')
  emotional = [p for p in shuffled if p.affect != NEUTRAL]
  expected = np.mean([sum(q.label == p.affect for q in shuffled) / 1400 for p in emotional])
  agreement = np.mean([p.label == p.affect for p in emotional])
  assert agreement == pytest.approx(expected, abs=0.05)


def test_hand_has_stiff_bones_and_mediapipe_s_order():
  rng = np.random.default_rng(0)
  points = hand.forward(rng.uniform(0, 1.5, (50, 5, 3)), rng.uniform(-0.2, 0.2, (50, 5)))
  assert points.shape == (50, 21, 3)
  np.testing.assert_array_equal(points[:, 0], 0)
  np.testing.assert_allclose(np.linalg.norm(points[:, 9], axis=-1), 1)
  for finger in range(5):
    joints = points[:, 1 + 4 * finger : 5 + 4 * finger]
    bones = np.linalg.norm(np.diff(joints, axis=1), axis=-1)
    np.testing.assert_allclose(bones, np.tile(constants.FINGER_BONES[finger], (50, 1)), rtol=1e-6)
  straight = hand.forward(np.zeros((5, 3)), np.zeros(5))
  assert straight[12, 1] == straight[:, 1].max()  # the middle finger's tip


@pytest.mark.parametrize('variant', ['', *corpus.VARIANTS])
def test_config_names(variant):
  name = f'seed7_{variant}' if variant else 'seed7'
  config = config_from_name(name)
  assert (config.name, config.seed, config.variant) == (name, 7, variant)


@pytest.mark.parametrize('name', ['seed', 'seed07', '7', 'seed7_', 'seed7_no_hands', 'Seed7', ''])
def test_malformed_config_names(name, tmp_path):
  with pytest.raises(UserError, match=r'expected seed<number>.*no_markers'):
    config_from_name(name)
  if name:
    with pytest.raises(UserError, match='has no config'):
      Builder(config=name, data_dir=tmp_path)


def test_default_config_is_seed0(tmp_path):
  assert Builder(data_dir=tmp_path).builder_config.name == 'seed0'


def test_a_data_set_of_another_generator_is_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(corpus, 'SPLITS', {'emosign_like': corpus.SPLITS['emosign_like']})
  Builder(data_dir=tmp_path).download_and_prepare()
  key = Builder(data_dir=tmp_path).info.metadata[clip_features.KEY]
  digest = signsim_dataset_builder.generator_digest()
  assert key['backbone'] == f'synthetic:signsim-{digest}-seed0'
  assert len(digest) == 8 and int(digest, 16) >= 0
  monkeypatch.setattr(signsim_dataset_builder, 'generator_digest', lambda: 'edited')
  with pytest.raises(UserError, match=f'signsim-{digest}-seed0 against .*-edited-seed0: delete it'):
    Builder(data_dir=tmp_path)


def test_the_digest_covers_every_source_of_the_generator():
  folder = Path(signsim_dataset_builder.__file__).parent
  sources = {p.name for p in folder.glob('*.py')} - {'__init__.py', 'signsim_dataset_builder.py'}
  assert sources == set(signsim_dataset_builder._GENERATOR)


def test_builds_and_reads_back(tmp_path, monkeypatch):
  two = {split: corpus.SPLITS[split] for split in ('validation', 'emosign_like')}
  monkeypatch.setattr(corpus, 'SPLITS', two)
  config = f'seed{SEED}_no_markers'
  Builder(config=config, data_dir=tmp_path, file_format='array_record').download_and_prepare()
  read = tfds.builder_from_directory(tmp_path / 'signsim' / config / '1.1.0')
  key = read.info.metadata[clip_features.KEY]
  assert provenance.is_synthetic(key) and set(key) == set(provenance.KEY_FIELDS)
  both = read.as_data_source(split='validation+emosign_like')
  assert len(both) == 440
  expected = {p.id: (p, clip) for p, clip in drawn('emosign_like', 'no_markers')}
  for example in read.as_data_source(split='emosign_like'):
    plan, clip = expected[example['id'].decode()]
    for field in clip_lib.FIELDS:
      np.testing.assert_array_equal(example[field], getattr(clip, field))
    assert example['labels']['emotion'] == plan.label
    assert example['signer'].decode() == plan.signer
    assert example['text'].decode() == plan.text


@pytest.mark.slow
def test_tfds_build_makes_the_same_data_set(tfds_command, tmp_path):
  done = subprocess.run(
    [tfds_command, 'build', f'--data_dir={tmp_path}'],
    cwd=Path(signsim_dataset_builder.__file__).parent,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  theirs = tfds.builder_from_directory(tmp_path / 'signsim' / 'seed0' / '1.1.0')
  source = {e['id'].decode(): e for e in theirs.as_data_source(split='emosign_like')}
  ours = {plan.id: draw() for plan, draw in corpus.clips(0, 'emosign_like', '')}
  assert source.keys() == ours.keys()
  for name, drawn_clip in ours.items():
    np.testing.assert_array_equal(source[name]['face'], drawn_clip.face)
