"""A small download of BOBSL, named as the real ones are; ids, texts and times are made up."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Cues = Iterable[tuple[float, float, str]]  # start and end in seconds, text

# Three episodes for training, the third aligned manually too; the same of two for the others.
TRAIN = ('5100000000000000001', '5100000000000000002', '5100000000000000003')
VALIDATION = ('5200000000000000001', '5200000000000000002')
TEST = ('5300000000000000001', '5300000000000000002')
MANUAL = (TRAIN[2], VALIDATION[1], TEST[1])
SPLITS = {'train': TRAIN, 'val': VALIDATION, 'test': TEST}

# Of lengths 1.2, 0.4 (too short), 2 and 1.5 s.
CUES = (
  (0.5, 1.7, 'Good evening.'),
  (2.0, 2.4, 'Hello!'),
  (2.5, 4.5, 'The rain has come at last.'),
  (5.0, 6.5, 'Nobody was <i>sad</i> about it.'),
)

EPISODES = {
  '1.4': 'original_data/metadata/subset2episode.json',
  'legacy': 'subset2episode.json',
}
VIDEOS = {'1.4': 'original_data/videos/mp4', 'legacy': 'videos'}
_AUTOMATIC = 'automatic_annotations/signing_aligned_subtitles'
SUBTITLES = {
  '1.4': {
    'audio': f'{_AUTOMATIC}/audio_aligned_heuristic_correction',
    'sat': f'{_AUTOMATIC}/auto_sat_aligned',
    'manual': 'manual_annotations/signing_aligned_subtitles',
  },
  'legacy': {
    'audio': 'subtitles/audio-aligned-heuristic-correction',
    'audio_raw': 'subtitles/audio-aligned',
    'manual': 'subtitles/manually-aligned',
  },
}


def write(
  root: Path,
  *,
  version: str = '1.4',
  splits: Mapping[str, Iterable[str]] = SPLITS,
  manual: Iterable[str] = MANUAL,
  cues: Cues | Callable[[str, str], Cues] = CUES,
  video: Callable[[Path], None] | None = None,
) -> Path:
  """Writes a tree and returns its root.

  Args:
    root: of the tree.
    version: `1.4` or `legacy`.
    splits: episodes by the release's names of the splits.
    manual: the episodes with manually aligned subtitles; the others' are there for all.
    cues: of every subtitle file, or a function of alignment and episode.
    video: writes a video to a path; None leaves the videos out.
  """
  episodes = root / EPISODES[version]
  episodes.parent.mkdir(parents=True, exist_ok=True)
  episodes.write_text(json.dumps({name: list(ids) for name, ids in splits.items()}))
  every = [episode for ids in splits.values() for episode in ids]
  for alignment, folder in SUBTITLES[version].items():
    (root / folder).mkdir(parents=True)
    for episode in manual if alignment == 'manual' else every:
      text = vtt(cues(alignment, episode) if callable(cues) else cues)
      (root / folder / f'{episode}.vtt').write_text(text)
  (root / VIDEOS[version]).mkdir(parents=True)
  for episode in every if video else ():
    video(root / VIDEOS[version] / f'{episode}.mp4')
  return root


def vtt(cues: Cues) -> str:
  """The text of a WebVTT file."""
  return 'WEBVTT\n' + ''.join(f'\n{time(a)} --> {time(b)}\n{said}\n' for a, b, said in cues)


def time(seconds: float) -> str:
  """`HH:MM:SS.mmm`."""
  minutes, ms = divmod(round(seconds * 1000), 60_000)
  return f'{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}'
