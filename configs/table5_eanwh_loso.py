"""Beside Table 5: EANwH trained on one signer of eJSL and tested on the other, both pooled.

  python -m emo_jax.main --config=configs/table5_eanwh_loso.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs ejsl in DATA. Two signers leave nobody to select on: the last step is kept. Minutes on 2
cores, with DATA or without.
"""

from configs import eanwh
from emo_jax import published


def get_config():
  """configs/eanwh.py, for this row."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.row = 'table5_eanwh_loso', 'table5/eanwh_loso'
    config.paper = published.beside(config.row)
    config.data.train, config.data.validation, config.data.test = '', '', ()
    config.embedded.train, config.embedded.validation, config.embedded.test = '', '', ()
    config.data.folds, config.embedded.folds = 'ejsl:all', 'signsim:ejsl_like'
    config.select = 'last'
  return config.lock()
