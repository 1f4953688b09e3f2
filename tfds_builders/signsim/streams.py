"""Random streams by name, so that what one part draws never moves what another part draws."""

import zlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
  """The stream of the corpus' seed and the names, such as ('hand', 'weak_00012')."""
  return np.random.default_rng([seed, zlib.crc32('/'.join(names).encode())])
