"""Beside Table 6: EANwH trained on EmoSign itself, cross-validated by signer.

  python -m emo_jax.main --config=configs/table6_eanwh_folds.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs emosign/single in DATA. A fold per signer, the last of 100 steps kept; `--config.folds.listed`
names others. A minute on 2 cores, with DATA or without.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'table6_eanwh_folds', 'table6/eanwh_folds'
    config.paper = published.beside(config.row)
    config.data.train, config.data.validation, config.data.test = '', '', ()
    config.embedded.train, config.embedded.validation, config.embedded.test = '', '', ()
    config.data.folds, config.embedded.folds = 'emosign/single:all', 'signsim:emosign_like'
    # A signer with four clips is too little to select on.
    config.select = 'last'
    config.train.total_epochs, config.train.total_steps = 0, 100
  return config.lock()
