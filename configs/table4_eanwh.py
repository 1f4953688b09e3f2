"""Table 4: EANwH, with hands beside the face, on BOBSL-M_C: 32.72 wAcc, 20.03 F1.

  python -m emo_jax.main --config=configs/table4_eanwh.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and bobsl/m_c in DATA, and the public
weights converted (README). The training takes some 90 minutes for 113,826 clips on 2 cores;
without DATA, on the synthetic corpus, about 2 minutes.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'table4_eanwh', 'table4/eanwh'
    config.paper = published.beside(config.row)
    config.data.test = ('bobsl/m_c:all',)
    config.embedded.test = ('signsim:bobsl_like',)
  return config.lock()
