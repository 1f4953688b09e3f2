"""Beside Table 3: EAN on the last two seconds of eJSL, trained on such segments too.

  python -m emo_jax.main --config=configs/table3_last_2s_trained.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and ejsl in DATA, and the public weights
converted (README). The paper does not say at which point it chooses a segment. The training takes
some 90 minutes for 113,826 clips on 2 cores; without DATA, on the synthetic corpus, about 2
minutes.
"""

from configs import ean
from emo_jax import published


def get_config():
  """configs/ean.py, for this row."""
  config = ean.get_config()
  with config.unlocked():
    config.name, config.row = 'table3_last_2s_trained', 'table3/last_2s_trained'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
    config.train.segment = config.eval.segment = 'last_2s'
  return config.lock()
