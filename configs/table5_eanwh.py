"""Table 5: EANwH, with hands beside the face, on full clips of eJSL: 24.63 wAcc, 21.09 F1.

  python -m emo_jax.main --config=configs/table5_eanwh.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and ejsl in DATA, and the public weights
converted (README). The training takes some 90 minutes for 113,826 clips on 2 cores; without DATA,
on the synthetic corpus, about 2 minutes.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'table5_eanwh', 'table5/eanwh'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
  return config.lock()
