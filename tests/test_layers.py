"""Who may import whom: each layer only those before it, so that the data go one way."""

import ast
from pathlib import Path

import pytest

# From the ground up; a module may import from its own layer and those above it in this list.
LAYERS = [
  {'errors', 'files'},
  {'labels', 'palette', 'provenance', 'coverage', 'csv_tables'},
  {
    'processes',
    'parallel',
    'runtime',
    'preemption',
    'profiling',
    'metrics',
    'reliability',
    'run_dir',
    'metrics_log',
    'progress',
    'config_flags',
    'label_files',
  },
  {'published'},
  {'weights'},
  {'models', 'convert', 'convert_keras', 'torch_backbone'},
  {'video', 'text'},
  {'tfds_builders'},
  {
    'preprocess',
    'recipe',
    'augmentation',
    'mixup',
    'corpora',
    'survey',
    'input_pipeline',
    'batch_plan',
    'training_input',
    'resident',
    'predictions',
    'optimizers',
    'checkpoints',
    'references',
    'answer_files',
  },
  {'train_step', 'inference', 'per_frame', 'signing', 'config_check', 'statistics'},
  {'scored_answers'},
  {'members', 'initial_weights', 'training_clips', 'training_head', 'trainer', 'train'},
  {'figures', 'timeline', 'run_report', 'finished_runs', 'evaluation', 'experiment', 'clip_report'},
  {'controls', 'sweep'},
  {'main', 'evaluate', 'explain', 'extract', 'hypotheses', 'predict', 'bench', 'annotation_screen'},
  {'cues', 'label', 'annotate', 'agreement', 'vlm'},
  {'score', 'sample'},
  {'report'},
  {'paper'},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted([*Path('emo_jax').rglob('*.py'), *Path('tfds_builders').rglob('*.py')])


def unit(dotted: str) -> str | None:
  """`emo_jax.video.clip` -> `video`; None for what is not ours."""
  parts = dotted.split('.')
  if parts[0] == 'tfds_builders':
    return parts[0]
  return parts[1] if parts[0] == 'emo_jax' and len(parts) > 1 else None


def imported(path: Path) -> set[str]:
  """Units that a file imports, within functions too."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      found |= {unit(alias.name) for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
      if node.module == 'emo_jax':
        found |= {alias.name for alias in node.names}
      else:
        found |= {unit(node.module)}
  return found - {None}


@pytest.mark.parametrize('path', FILES, ids=str)
def test_imports_go_one_way(path):
  own = unit('.'.join(path.with_suffix('').parts))
  if own in (None, '__init__'):
    return
  upward = {name for name in imported(path) if RANK[name] > RANK[own]}
  assert not upward


def test_only_two_files_ask_about_devices_and_processes():
  asking = ('pmap(', 'psum(', 'process_index', 'process_count', 'local_devices(', 'device_count(')
  for path in FILES:
    if path.name not in ('parallel.py', 'processes.py'):
      assert not [word for word in asking if word in path.read_text()], path
