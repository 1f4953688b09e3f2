"""EAN fine-tuned on weak labels: the face alone. Tables 1 and 2: 27.85/17.75 and 15.11/12.11 %."""

from configs import eanwh


def get_config():
  """configs/eanwh.py without the hands."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name, config.model.inputs = 'ean', ('face',)
    config.paper['bobsl/m_c'].scores = (27.85, 17.75)
    config.paper.ejsl.scores = (15.11, 12.11)
  return config
