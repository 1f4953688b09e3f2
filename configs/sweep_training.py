"""The grid over how EANwH is trained, which the paper does not say: for emo_jax.sweep.

  python -m emo_jax.sweep --config=configs/sweep_training.py --out=runs/sweep_training \\
    --config.data.dir=DATA --config.init_weights=ean.safetensors

Needs bobsl/a_tea in DATA; without DATA it runs on the synthetic corpus, 12 runs of about two
minutes on 2 cores. Nothing is read but training and validation.
"""

from configs import eanwh


def get_config():
  """configs/eanwh.py, whose values are the first of each field's."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name = 'sweep_training'
  return config.lock()


def get_grid():
  """Field -> values."""
  return {
    'optim.learning_rate': (1e-3, 1e-4, 3e-4, 3e-3),
    'train.batch_size': (32, 128),
    'train.total_epochs': (6, 3, 12),
    'train.class_weights': ('balanced', 'none'),
    'train.freeze': ((), ('lstm2',)),
    'train.label_smoothing': (0.0, 0.1),
    'optim.name': ('adamw', 'sgd'),
    'hand_start': ('zero', 'fresh'),
  }
