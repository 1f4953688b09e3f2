"""Table 5: EAN on full clips of eJSL, the first row EANwH is held against: 15.11 wAcc, 12.11 F1.

  python -m emo_jax.main --config=configs/table5_ean.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and ejsl in DATA, and the public weights
converted (README). The training takes some 90 minutes for 113,826 clips on 2 cores; without DATA,
on the synthetic corpus, about 2 minutes.
"""

from configs import ean
from emo_jax import published


def get_config():
  """configs/ean.py, for this row."""
  config = ean.get_config()
  with config.unlocked():
    config.name, config.row = 'table5_ean', 'table5/ean'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
  return config.lock()
