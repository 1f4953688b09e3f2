"""Table 3: EAN on the last two seconds of eJSL, trained on full clips: 23.17 wAcc, 19.26 F1.

  python -m emo_jax.main --config=configs/table3_last_2s.py --config.data.dir=DATA \\
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
    config.name, config.row = 'table3_last_2s', 'table3/last_2s'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
    config.eval.segment = 'last_2s'
  return config.lock()
