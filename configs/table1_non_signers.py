"""Table 1: EAN with its public weights, not trained on signers, on BOBSL-M_C: 15.54 wAcc, 12.12 F1.

  python -m emo_jax.main --config=configs/table1_non_signers.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs bobsl/m_c in DATA, with features of the same weights, and the public weights converted
(README), one run per LSTM file; `--config.model.kind=static --config.temporal=sequence` scores
the static model instead. A minute; without DATA it trains on the non-signers of the synthetic
corpus, about a minute on 2 cores.
"""

from configs import ean
from emo_jax import published


def get_config():
  """configs/ean.py, for this row."""
  config = ean.get_config()
  with config.unlocked():
    config.name, config.row = 'table1_non_signers', 'table1/non_signers'
    config.paper = published.beside(config.row)
    config.data.test = ('bobsl/m_c:all',)
    config.embedded.test = ('signsim:bobsl_like',)
    # No training: the public weights as they are. The synthetic corpus has none and trains them.
    config.data.train = config.data.validation = ''
    config.embedded.train, config.embedded.validation = 'signsim:nonsigners', ''
    config.select = 'last'
  return config.lock()
