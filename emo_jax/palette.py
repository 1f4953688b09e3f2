"""Colours and line styles of a task's labels, the same in every figure and video.

The colours are Okabe and Ito's (Color Universal Design, 2008), which people with the common forms
of colour blindness can tell apart, without their yellow, too pale for a line on white, and three
dark ones (Paul Tol's wine and indigo, a brown). Line styles differ too.
"""

ORANGE, SKY_BLUE, GREEN = '#E69F00', '#56B4E9', '#009E73'
BLUE, VERMILLION, PURPLE, BLACK = '#0072B2', '#D55E00', '#CC79A7', '#000000'
WINE, INDIGO, BROWN = '#882255', '#332288', '#7F4F0A'

# In the order of a task's labels: neutral, the last of the seven emotions, is black. Styles are
# Matplotlib's.
COLORS = (ORANGE, BLUE, VERMILLION, GREEN, PURPLE, SKY_BLUE, BLACK, WINE, INDIGO, BROWN)
STYLES = (
  '-',
  (0, (4, 2)),
  (0, (6, 2, 1, 2)),
  (0, (2, 2)),
  (0, (3, 1, 1, 1, 1, 1)),
  (0, (1, 1)),
  (0, (9, 3)),
  (0, (6, 2, 1, 2, 1, 2)),
  (0, (3, 1)),
  (0, (9, 2, 3, 2)),
)


def rgb(color: str) -> tuple[int, int, int]:
  """`#E69F00` -> (230, 159, 0)."""
  red, green, blue = bytes.fromhex(color[1:])
  return red, green, blue
