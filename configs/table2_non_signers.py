"""Table 2: EAN with its public weights, not trained on signers, on eJSL: 7.41 wAcc, 9.25 F1.

  python -m emo_jax.main --config=configs/table2_non_signers.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs ejsl in DATA, with features of the same weights, and the public weights converted (README),
one run per LSTM file; `--config.model.kind=static --config.temporal=sequence` scores the static
model instead. A minute; without DATA it trains on the non-signers of the synthetic corpus, about
a minute on 2 cores.
"""

from configs import ean
from emo_jax import published


def get_config():
  """configs/ean.py, for this row."""
  config = ean.get_config()
  with config.unlocked():
    config.name, config.row = 'table2_non_signers', 'table2/non_signers'
    config.paper = published.beside(config.row)
    config.data.test = ('ejsl:all',)
    config.embedded.test = ('signsim:ejsl_like',)
    # No training: the public weights as they are. The synthetic corpus has none and trains them.
    config.data.train = config.data.validation = ''
    config.embedded.train, config.embedded.validation = 'signsim:nonsigners', ''
    config.select = 'last'
  return config.lock()
