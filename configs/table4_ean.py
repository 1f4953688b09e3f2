"""Table 4: EAN on BOBSL-M_C, the row that EANwH is held against: 27.85 wAcc, 17.75 F1.

  python -m emo_jax.main --config=configs/table4_ean.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and bobsl/m_c in DATA, and the public
weights converted (README). The training takes some 90 minutes for 113,826 clips on 2 cores;
without DATA, on the synthetic corpus, about 2 minutes.
"""

from configs import ean
from emo_jax import published


def get_config():
  """configs/ean.py, for this row."""
  config = ean.get_config()
  with config.unlocked():
    config.name, config.row = 'table4_ean', 'table4/ean'
    config.paper = published.beside(config.row)
    config.data.test = ('bobsl/m_c:all',)
    config.embedded.test = ('signsim:bobsl_like',)
  return config.lock()
