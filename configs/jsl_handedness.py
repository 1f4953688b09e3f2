"""A stand-in on real clips without emotion labels: is a sign made with one hand or with two?

  python -m tfds_builders.build ejsl --manual_dir=CLIPS --manifest=tests/data/jsl_signs.csv \\
    --data_dir=DATA --weights=random
  python -m emo_jax.main --config=configs/jsl_handedness.py --config.data.dir=DATA

42 single signs in Japanese Sign Language by eight signers, told apart and labelled by eye in
tests/data/jsl_signs.csv. It shows that video goes in and a table comes out, with signers kept apart
(20 clips to learn from, 6 to select on, 16 to test); it is no task of the paper, and there is no
published figure. The hands alone are read, since a random backbone's face says nothing of them, and
the last step is kept: six clips are too few to select on. A minute on 2 cores.
"""

from configs import eanwh


def get_config():
  """configs/eanwh.py on another task, stream and corpus."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.task = 'jsl_handedness', 'sign_handedness'
    config.model.inputs, config.select = ('hands',), 'last'
    config.min_coverage = dict(face=0.0, hands=0.5)
    config.data.train = 'ejsl:signer_d+signer_f'
    config.data.validation = 'ejsl:signer_a'
    config.data.test = ('ejsl:signer_b+signer_c+signer_e+signer_g+signer_h',)
    config.embedded = dict(train='', folds='', validation='', test=())
    config.train.batch_size = 8
    config.train.total_epochs = 20
    config.paper = {}
  return config
