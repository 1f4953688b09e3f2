"""Table 2: EAN fine-tuned on weak labels from subtitles, on eJSL: 15.11 wAcc, 12.11 F1.

  python -m emo_jax.main --config=configs/table2_a_tea.py --config.data.dir=DATA \\
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
    config.name, config.row = 'table2_a_tea', 'table2/a_tea'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
  return config.lock()
