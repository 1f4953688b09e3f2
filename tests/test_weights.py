import numpy as np
import pytest
import safetensors.numpy

from emo_jax import weights
from emo_jax.errors import UserError
from emo_jax.labels import EAN_ORDER, EMOTIONS


def _head(width: int = 512, **changed: np.ndarray) -> dict:
  rng = np.random.default_rng(0)
  flat = {n: rng.standard_normal(s, np.float32) for n, s in weights.head_shapes(width).items()}
  return weights.nest(flat | changed)


@pytest.fixture(scope='module')
def head() -> dict:
  return _head()


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'ean.safetensors'


def _assert_same(a: dict, b: dict):
  a, b = weights.flatten(a), weights.flatten(b)
  assert a.keys() == b.keys()
  for name in a:
    np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize('width, count', [(512, 2_888_455), (596, 3_060_487)])
def test_heads_of_both_widths_come_back(width, count, path):
  head = _head(width)
  assert sum(x.size for x in weights.flatten(head).values()) == count
  weights.save(path, head=head)
  loaded = weights.load(path)
  _assert_same(loaded['head'], head)
  assert loaded['backbone'] is None
  assert loaded['labels'] == list(EMOTIONS)
  assert 'backbone_sha256' not in loaded['info']


def test_a_backbone_comes_back_with_its_id(path):
  rng = np.random.default_rng(1)
  backbone = weights.nest(
    {n: rng.standard_normal(s, np.float32) for n, s in weights.backbone_shapes().items()}
  )
  weights.save(path, backbone=backbone)
  loaded = weights.load(path)
  _assert_same(loaded['backbone'], backbone)
  assert loaded['head'] is None
  assert loaded['info']['backbone_sha256'] == weights.tensors_id(backbone)


def test_the_id_holds_names_shapes_and_numbers_not_their_order():
  a, b = np.arange(6, dtype=np.float32), np.ones(2, np.float32)
  identity = weights.tensors_id({'a': a, 'b': b})
  assert weights.tensors_id({'b': b, 'a': a}) == identity
  others = ({'a': a, 'c': b}, {'a': a.reshape(2, 3), 'b': b}, {'a': a, 'b': b + 1})
  assert identity not in [weights.tensors_id(other) for other in others]


def test_same_tensors_same_bytes_and_nothing_left_behind(head, path, tmp_path):
  weights.save(path, head=head)
  first = path.read_bytes()
  weights.save(path, head=weights.nest(dict(reversed(weights.flatten(head).items()))))
  assert path.read_bytes() == first
  assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(head, path, tmp_path, monkeypatch):
  path.write_bytes(b'old')

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr('os.replace', full)
  with pytest.raises(UserError, match='cannot write .*: No space left on device'):
    weights.save(path, head=head)
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


def test_another_label_order_is_permuted_by_name(head, path):
  weights.save(path, head=head, labels=EAN_ORDER)
  loaded = weights.load(path)
  assert loaded['labels'] == list(EMOTIONS)
  for now, name in enumerate(EMOTIONS):
    then = EAN_ORDER.index(name)
    last, old = loaded['head']['params']['logits'], head['params']['logits']
    np.testing.assert_array_equal(last['kernel'][:, now], old['kernel'][:, then])
    assert last['bias'][now] == old['bias'][then]


def test_labels_must_be_the_project_s(head, path):
  with pytest.raises(UserError, match='has the labels .*contempt.*, wanted each of joy, sadness'):
    weights.save(path, head=head, labels=(*EMOTIONS[:6], 'contempt'))


@pytest.mark.parametrize(
  'changed, message',
  [
    (
      {'params/logits/bias': np.zeros(8)},
      r'head/params/logits/bias has shape \(8,\), wanted \(7,\)',
    ),
    (
      {'params/lstm1/cell/ii/kernel': np.zeros((500, 512))},
      r'lstm1/cell/ii/kernel has shape \(500, 512\), wanted \(512, 512\)',
    ),
    ({'params/logits/more': np.zeros(1)}, 'extra: head/params/logits/more$'),
    ({'params/logits/bias': np.full(7, np.nan)}, 'not finite in head/params/logits/bias'),
  ],
)
def test_what_is_wrong_is_named(changed, message, path):
  with pytest.raises(UserError, match=message):
    weights.save(path, head=_head(**changed))
  tensors = {f'head/{n}': x for n, x in weights.flatten(_head(**changed)).items()}
  _write(path, tensors)
  with pytest.raises(UserError, match=message):
    weights.load(path)


def test_what_is_missing_is_named(head, path):
  flat = weights.flatten(head)
  del flat['params/lstm2/cell/hf/bias']
  with pytest.raises(UserError, match='missing: head/params/lstm2/cell/hf/bias$'):
    weights.save(path, head=weights.nest(flat))


def test_long_lists_are_cut():
  wanted = {f'x{i}': (1,) for i in range(20)}
  with pytest.raises(UserError, match='missing: x0, x1, x2, x3, x4, x5, x6, x7 and 12 more$'):
    weights.check({}, wanted, 'f')


def test_files_of_others_are_refused_in_one_line(head, path, tmp_path):
  with pytest.raises(UserError, match='no weight file at'):
    weights.load(path)
  path.write_bytes(b'not a safetensors file')
  with pytest.raises(UserError, match='is not a readable safetensors file'):
    weights.load(path)
  safetensors.numpy.save_file({'x': np.zeros(1, np.float32)}, path)
  with pytest.raises(UserError, match='no weight file of format 1 of this project'):
    weights.load(path)
  _write(path, {'head/params/logits/bias': np.zeros(7)})
  with pytest.raises(UserError, match='head/params/logits/bias is F64, wanted F32'):
    weights.load(path)


def _write(path, tensors: dict[str, np.ndarray]):
  """A file with the metadata of a weight file, whatever the tensors are."""
  metadata = '{"format": 1, "labels": ' + str(list(EMOTIONS)).replace("'", '"') + '}'
  safetensors.numpy.save_file(tensors, path, {'emo_jax': metadata})
