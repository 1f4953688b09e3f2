"""EANwH with its face backbone fine-tuned, end to end, on face crops.

  python -m tfds_builders.build ejsl/crops --manual_dir=CLIPS --weights=ean.safetensors \\
    --data_dir=DATA
  python -m emo_jax.main --config=configs/finetune.py --config.data.dir=DATA \\
    --config.init_weights=ean.safetensors

Needs ejsl/crops in DATA and an accelerator. The run's
weights.safetensors holds the fine-tuned backbone: features extracted with it serve every other
config. The paper does not say how its backbone was treated; these are choices.
"""

from configs import eanwh


def get_config():
  """configs/eanwh.py, reading crops."""
  config = eanwh.get_config()
  with config.unlocked():
    config.name = 'finetune'
    config.paper = {}
    config.model.inputs = ('crops', 'hands')
    config.data.train, config.data.validation, config.data.test = '', '', ()
    config.embedded.train, config.embedded.validation, config.embedded.test = '', '', ()
    config.data.folds = 'ejsl/crops:all'
    config.select = 'last'
    config.train.batch_size = 8
    config.train.input = 'streamed'
    config.eval.batch_size = 8
    config.heads_at_once = 1
    config.optim.learning_rate = 1e-4
    # Of conv1, conv2, conv3, conv4, conv5 and features; the others stay as they are.
    config.finetune.stages = ('conv5', 'features')
    config.finetune.augmentation = dict(
      flip=0.5, rotation=10.0, scale=0.1, shift=0.05, contrast=0.2
    )
    config.finetune.mixup = 0.2
  return config.lock()
