"""Table 6: EANwH on EmoSign, beside vision language models: 16.88 macro F1.

  python -m emo_jax.main --config=configs/table6_eanwh.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/a_tea, with features of the same weights, and emosign/single in DATA, and the public
weights converted (README). The training takes some 90 minutes for 113,826 clips on 2 cores;
without DATA, on the synthetic corpus, about 2 minutes.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'table6_eanwh', 'table6/eanwh'
    config.paper = published.beside(config.row)
    config.data.test = ('emosign/single:all',)
    config.embedded.test = ('signsim:emosign_like',)
  return config.lock()
