"""EANwH: face and hands, the paper's Appendix C, trained on weak labels from subtitles.

  python -m emo_jax.main --config=configs/eanwh.py

With `--config.data.dir=DIR` (or TFDS_DATA_DIR) it trains on BOBSL-A_TEA and is tested on the
paper's corpora in that directory; without, on the embedded synthetic corpus, in about 3 minutes on
2 cores. The paper's Tables 4 and 5: 32.72 % wAcc and 20.03 % macro F1 on BOBSL-M_C, 24.63 and 21.09
on eJSL.
It gives no learning rate, batch size, epochs or class weights: those here are choices.
"""

from ml_collections import config_dict


def get_config():
  """The config, plain data."""
  config = config_dict.ConfigDict()
  config.name = 'eanwh'
  config.row = ''  # of a published table (emo_jax/published.py) that the run is held against
  config.task = 'emotion'
  config.seed = 0
  config.repeats = 1  # heads with seeds from there on; scores are their mean
  # Heads trained in one program; 0: all of them on an accelerator, one after another on a CPU.
  config.heads_at_once = 0
  config.devices = 0  # 0: all local ones

  # kind: or 'static', the backbone's own class layer without a temporal head.
  # lstm: 'float32', 'bfloat16' products or 'cudnn'; 'auto': bfloat16 on an accelerator.
  config.model = dict(
    kind='lstm', inputs=('face', 'hands'), hidden=(512, 256), dropout=0.2, lstm='auto'
  )
  config.temporal = 'windows'  # or 'sequence'
  config.no_face = 'hold'  # or 'drop' (the reference), 'mask'
  config.hand_frame = 'canonical'  # or 'wrist', without the rotation
  # Least share of a clip's frames, of all of them, with a face and with at least one hand (0: no
  # limit). Clips below are marked: train.low_coverage keeps or drops them, scores count them all.
  config.min_coverage = dict(face=0.5, hands=0.0)
  config.init_weights = ''  # a converted .safetensors to start the head from
  config.hand_start = 'zero'  # the hands' inputs, which it lacks: EAN itself at first; or 'fresh'

  config.data = dict(
    dir='',
    train='bobsl/a_tea:train',
    folds='',
    validation='bobsl/a_tea:validation',
    test=('bobsl/m_c:all', 'ejsl:all', 'emosign/single:all'),
  )
  config.embedded = dict(
    train='signsim:nonsigners+weak',
    folds='',
    validation='signsim:validation',
    test=('signsim:bobsl_like', 'signsim:ejsl_like', 'signsim:emosign_like'),
  )

  # How the corpus data.folds, as in 'ejsl:all', is cross-validated by signer, in place of a test.
  config.folds = dict(
    count=0,  # 0: one per signer
    listed=(),  # the folds themselves, as in ('Rachel+Ben', 'Cory', 'Jonathan')
    validation='none',  # or 'next': the fold after the tested one is selected on
  )

  config.train = dict(
    segment='full',  # or 'random_2s', 'last_2s'
    batch_size=32,
    total_epochs=6,
    total_steps=0,  # instead of epochs
    class_weights='balanced',  # or 'none'
    label_smoothing=0.0,
    freeze=(),  # layers kept as they start, of 'lstm1', 'lstm2', 'logits'
    low_coverage='keep',  # or 'drop'
    # Features 'resident' on the devices, or 'streamed'; 'auto': resident where they fit.
    input='auto',
    resident_dtype='float32',  # or 'bfloat16'
    steps_at_once=0,  # in one program; 0: 20 on an accelerator, 1 on a CPU
  )
  # Of the face backbone, where 'crops' are read in the place of 'face' (configs/finetune.py).
  config.finetune = dict(
    stages=(),
    augmentation=dict(flip=0.0, rotation=0.0, scale=0.0, shift=0.0, contrast=0.0),
    mixup=0.0,
  )
  # aggregate: or 'mode'; draws: of a random segment, over which scores are averaged.
  config.eval = dict(segment='full', batch_size=64, aggregate='mean', draws=5)
  config.select = 'best_val'  # or 'last'

  config.optim = dict(
    name='adamw',  # or 'adam', 'sgd'
    learning_rate=1e-3,
    schedule='cosine',  # or 'constant'
    warmup_share=0.1,
    clip_norm=1.0,
    weight_decay=1e-4,
  )
  config.log_steps = 20
  config.checkpoint_steps = 100
  config.tracker = ''  # or 'wandb', 'mlflow', beside metrics.jsonl and TensorBoard's events
  config.profile = (0, 0)  # first and last step of a trace, written to RUN/profile; (0, 0): none

  # wAcc and macro F1 in per cent, printed beside ours where ours are of the same clips and segment.
  config.paper = {
    'bobsl/m_c': dict(segment='full', clips=930, scores=(32.72, 20.03)),
    'ejsl': dict(segment='full', clips=1092, scores=(24.63, 21.09)),
  }
  return config.lock()
