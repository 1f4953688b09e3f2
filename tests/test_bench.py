import json
import sys

import jax
import jax.numpy as jnp
import pytest

from configs import eanwh
from emo_jax import inference, input_pipeline
from emo_jax.bench import scaling, training
from emo_jax.bench.__main__ import main
from emo_jax.errors import exit_status
from tests.tfds_builders import made


@pytest.fixture
def run(capsys):
  """run(*arguments) -> exit status, what the JSON line holds, lines of stderr."""

  def call(*arguments):
    status = exit_status(main, [str(a) for a in arguments])
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == (status == 0)
    return status, json.loads(lines[0]) if lines else None, captured.err.splitlines()

  return call


@pytest.fixture
def videos(shared):
  flag = f'--hand_model={shared}/models/hand_landmarker.task'
  return flag, *(shared / f'data/signing/{name}.mp4' for name in ('Jsl_swim', 'Jsl_age'))


def peer(tmp_path, text):
  script = tmp_path / 'peer.py'
  script.write_text(f'import sys\nprint("loading")\nassert len(sys.argv) == 3\n{text}\n')
  return f'--peer={sys.executable} {script}'


def test_extraction_beside_a_peer(run, videos, tmp_path):
  line = """print('{"sampled_frames_per_s": 0.5}')"""
  status, measured, stderr = run('extract', *videos, '--repeat=2', peer(tmp_path, line))
  assert status == 0 and measured['bench'] == 'extract'
  assert (measured['videos'], measured['sampled_frames'], measured['faces']) == (2, 22, 22)
  assert measured['video_s'] == pytest.approx((54 + 66 + 2) / 30, abs=0.05)
  rate = measured['sampled_frames_per_s']
  assert rate in measured['runs'] and len(measured['runs']) == 2
  assert rate == pytest.approx(measured['sampled_frames'] / measured['wall_s'], rel=0.05)
  assert measured['video_s_per_s'] == pytest.approx(
    measured['video_s'] / measured['wall_s'], rel=0.02
  )
  assert set(measured['stage_s']) == {'decode', 'hands', 'faces', 'backbone'}
  assert all(spent > 0 for spent in measured['stage_s'].values())
  assert 100 < measured['peak_rss_mb'] < 30_000 and 'cores of' in measured['device']
  days = 1460 * 3600 / measured['video_s_per_s'] / 86400
  assert measured['days_for_1460_h'] == pytest.approx(days, rel=0.02)
  assert measured['machines_for_a_week'] == -(-days // 7)
  assert measured['peer'] == dict(sampled_frames_per_s=0.5, runs=[0.5, 0.5])
  middle = sum(measured['runs']) / 2
  assert measured['times_the_peer'] == pytest.approx(middle / 0.5, rel=0.01)
  assert any('1,460 hours of such video' in text and 'for a week' in text for text in stderr)


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('print("no figure")', 'must end with a line of JSON that holds sampled_frames_per_s'),
    ('raise SystemExit("no such model")', 'it says: no such model'),
  ],
)
def test_a_peer_that_says_nothing(run, videos, tmp_path, text, said):
  status, _, stderr = run('extract', *videos, '--repeat=1', peer(tmp_path, text))
  assert status == 2 and said in stderr[-1]


def test_the_backbone_beside_pytorch(run):
  status, measured, _ = run('embed', '--batch=2', '--repeat=1')
  assert status == 0 and measured['batch'] == 2
  rates, times = measured['frames_per_s'], measured['openvino_times_torch']
  assert {'openvino float32', 'flax float32', 'torch float32 contiguous'} <= set(rates)
  assert times['float32, torch contiguous'] == pytest.approx(
    rates['openvino float32'] / rates['torch float32 contiguous'], rel=0.1
  )


def test_mistakes_end_in_a_line(run, videos, tmp_path):
  for arguments, said in (
    (['embed', '--batch=0'], '--batch is 0, must be at least 1'),
    (['extract', *videos, '--peer=/no/such/program'], '--peer cannot be run'),
    (['extract', videos[0], tmp_path / 'absent.mp4'], 'absent.mp4'),
    (['precision', *videos, f'--checkpoint={tmp_path}'], str(tmp_path)),
  ):
    status, _, stderr = run(*arguments)
    assert status == 2 and said in stderr[-1]


def test_training_beside_a_peer(run, tmp_path):
  script = tmp_path / 'peer.py'
  script.write_text(
    'import json, sys\n'
    'assert sys.argv[1:] == ["--batch=4", "--frames=12", "--features=512"]\n'
    'print(json.dumps(dict(clips_per_s=10)))\n'
  )
  flags = ('--batch=4', '--frames=12', '--features=512', '--devices=1', '--seconds=0.5')
  status, measured, _ = run('train', *flags, '--repeat=1', f'--peer={sys.executable} {script}')
  assert status == 0 and measured['temporal'] == 'sequence'
  rate = measured['clips_per_s']
  assert measured['step_ms'] == pytest.approx(1000 * 4 / rate, rel=0.01)
  assert measured['peer'] == dict(clips_per_s=10, runs=[10])
  assert measured['times_the_peer'] == pytest.approx(rate / 10, abs=0.01)
  # Three times the forward products: two LSTM layers over 12 frames, and the last layer.
  flops = 6 * (12 * 4 * (512 * 512 + 512 * 512 + 512 * 256 + 256 * 256) + 256 * 7)
  flops -= 2 * 12 * 4 * 512 * 512  # without the gradient of the features
  flops -= 3 * 2 * 4 * (512 * 512 + 256 * 256)  # nor the state before the first frame
  assert measured['model_gflop_per_s'] == pytest.approx(rate * flops / 1e9, abs=0.06)
  assert 0 < measured['share_of_matrix_product'] < 2 and 0 <= measured['input_wait'] < 1


def test_the_way_in_of_stored_clips(run, tmp_path):
  made.build(tmp_path, {'a': [dict(emotion='joy')] * 5 + [dict(emotion='fear')] * 4})
  flags = ('--corpus=ejsl:a', f'--data_dir={tmp_path}', '--batch=4', '--devices=1')
  status, measured, _ = run('input', *flags)
  assert status == 0 and (measured['corpus'], measured['clips']) == ('ejsl:a', 9)
  # Their 90 frames are rounded up.
  assert measured['resident_mb'] == pytest.approx(4096 * (4 * 596 + 1) / 1e6, abs=0.05)
  rates = measured['clips_per_s']
  assert all(rates[way][epoch] > 0 for way in rates for epoch in ('first', 'second'))


def test_shapes_that_no_model_has_end_in_a_line(run):
  status, _, stderr = run('train', '--features=100')
  assert status == 2 and 'a frame has 512 (face), 596 (face and hands)' in stderr[-1]


def test_a_pod_on_paper_is_products_and_an_all_reduce():
  config = eanwh.get_config().to_dict()
  widths = input_pipeline.STREAM_WIDTHS
  shapes = jax.eval_shape(
    lambda: inference.initial_params(inference.build_model(config), 0, widths)
  )
  assert training.parameters(config) == sum(x.size for x in jax.tree.leaves(shapes))
  alone = scaling.pod_clips_per_s(1, True, 1e13, 1e10)
  flops = training.flops_of_clip(config | dict(temporal='sequence'), 22)
  assert alone == pytest.approx(1e13 / flops)
  # Links that take no time leave the hops; slow ones leave the bytes, twice those of the gradients.
  fast = [scaling.pod_clips_per_s(n, False, 1e13, 1e30) for n in (1, 4)]
  assert 3.99 * fast[0] < fast[1] < 4 * fast[0]
  slow = scaling.pod_clips_per_s(256, True, 1e30, 1e6)
  sent_s = 2 * 255 / 256 * 4 * training.parameters(config) / 1e6
  assert slow == pytest.approx(1024 / sent_s, rel=1e-3)


def test_flops_are_those_that_xla_counts():
  # Of two frames: XLA counts the body of a loop once, however often it runs.
  config = eanwh.get_config().to_dict() | dict(temporal='sequence')
  model, clips = inference.build_model(config), 64
  batch = dict(
    streams={name: jnp.ones((clips, 2, n)) for name, n in input_pipeline.STREAM_WIDTHS.items()},
    length=dict.fromkeys(input_pipeline.STREAM_WIDTHS, jnp.full(clips, 2, jnp.int32)),
  )
  params = inference.initial_params(model, 0, input_pipeline.STREAM_WIDTHS)
  grads = jax.jit(jax.grad(lambda p: (model.apply(dict(params=p), batch) ** 2).sum()))
  counted = grads.lower(params).compile().cost_analysis()['flops'] / clips
  assert training.flops_of_clip(config, 2) == pytest.approx(counted, rel=0.03)


def test_scaling_is_drawn(run, tmp_path, monkeypatch):
  asked = []

  def measured(arguments, **changes):
    shape = dict(batch=128, frames=10, devices=1) | changes
    asked.append(shape)
    return 100.0 * shape['batch'] / shape['frames']

  monkeypatch.setattr(scaling, '_run', measured)
  path = tmp_path / 'scaling.png'
  status, found, _ = run('scaling', f'--out={path}')
  assert status == 0 and found['figure'] == str(path)
  assert found['clips_per_s']['devices'] == dict.fromkeys('1248', 1280.0)
  assert {shape['devices'] for shape in asked} == {1, 2, 4, 8}
  assert path.read_bytes().startswith(b'\x89PNG')


def test_training_on_clips_of_unlike_length(run):
  shape = ('--batch=8', '--frames=40', '--mean_frames=10', '--features=512')
  status, measured, _ = run('train', *shape, '--seconds=0.2', '--repeat=1', '--devices=1')
  assert status == 0 and measured['temporal'] == 'sequence'
  assert 7 < measured['mean_frames'] < 13
  status, _, stderr = run('train', *shape[:1], '--frames=10', '--mean_frames=11')
  assert status == 2 and stderr == ['error: --mean_frames is 11; clips have up to 10']
