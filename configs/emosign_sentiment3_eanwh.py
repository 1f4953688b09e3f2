"""EmoSign's benchmark, three-class sentiment: EANwH's features, cross-validated by signer.

  python -m emo_jax.main --config=configs/emosign_sentiment3_eanwh.py --config.data.dir=DATA

Needs emosign/all in DATA; the synthetic corpus has no such labels. A fold per signer, the
last of 100 steps kept. EmoSign's own baselines are asked without training. A minute on 2 cores.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'emosign_sentiment3_eanwh', 'emosign_sentiment3/eanwh'
    config.paper = published.beside(config.row)
    config.task = 'sentiment3'
    config.data.train, config.data.validation, config.data.test = '', '', ()
    config.embedded.train, config.embedded.validation, config.embedded.test = '', '', ()
    config.data.folds, config.embedded.folds = 'emosign/all:all', ''
    # A signer with four clips is too little to select on.
    config.select = 'last'
    config.train.total_epochs, config.train.total_steps = 0, 100
  return config.lock()
