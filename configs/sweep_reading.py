"""The grid over how clips are read, which the paper does not say: for emo_jax.sweep.

  python -m emo_jax.sweep --config=configs/sweep_reading.py --out=runs/sweep_reading \\
    --config.data.dir=DATA --config.init_weights=ean.safetensors

Needs bobsl/a_tea in DATA; without DATA it runs on the synthetic corpus, 6 runs of about two minutes
on 2 cores. Nothing is read but training and validation.
"""

from configs import eanwh


def get_config():
  """configs/eanwh.py, whose values are the first of each field's."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name = 'sweep_reading'
  return config.lock()


def get_grid():
  """Field -> values."""
  return {
    'temporal': ('windows', 'sequence'),
    'eval.aggregate': ('mean', 'mode'),
    'hand_frame': ('canonical', 'wrist'),
    'no_face': ('hold', 'drop', 'mask'),
  }
