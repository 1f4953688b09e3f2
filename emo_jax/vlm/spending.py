"""What questions cost: tokens as the server counts them, money where the prices are known."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from emo_jax.errors import UserError

_MILLION = 1_000_000
_ROUNDING = 1e-9  # of sums of money


@dataclasses.dataclass(frozen=True)
class Prices:
  """Money per million tokens; `most` is what a run may cost in all, None for no limit.

  Raises:
    UserError: one price alone is given, or there is a limit and no price.
  """

  tokens_in: float | None
  tokens_out: float | None
  most: float | None

  def __post_init__(self):
    given = [x for x in (self.tokens_in, self.tokens_out) if x is not None]
    if len(given) == 1:
      raise UserError('give both --price_in and --price_out, per million tokens')
    if self.most is not None and not given:
      raise UserError('--max_cost needs --price_in and --price_out, per million tokens')

  def of(self, tokens_in: float | int, tokens_out: float | int) -> float | None:
    """Money for so many tokens, None if prices are not known."""
    if self.tokens_in is None or self.tokens_out is None:
      return None
    return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / _MILLION


class Costs:
  """The sum over answers, those kept from earlier calls included, and what the next may cost.

  Attributes:
    tokens_in, tokens_out: so far.
    uncounted: answers of which the server counted no tokens.
  """

  def __init__(self, prices: Prices):
    self._prices = prices
    self.tokens_in = self.tokens_out = self.uncounted = 0
    self._seen: dict[int, int] = {}  # images -> the most tokens that so many were counted as
    self._longest = 0

  def add(self, answer: Mapping[str, Any]) -> None:
    """Counts an answer."""
    tokens_in, tokens_out = answer.get('tokens_in'), answer.get('tokens_out')
    if tokens_in is None or tokens_out is None:
      self.uncounted += 1
    self.tokens_in += tokens_in or 0
    self.tokens_out += tokens_out or 0
    images = answer['images']
    self._seen[images] = max(self._seen.get(images, 0), tokens_in or 0)
    self._longest = max(self._longest, tokens_out or 0)

  def allow(self, images: int, under_way: Collection[int]) -> bool:
    """May a question of so many images be asked beside those under way, by their images?

    What it costs is taken from the answers so far: to the fewest images that are as many, else in
    proportion to the most, with the longest answer. While there is none, one is asked alone. With
    answers whose tokens are not counted no limit can be kept: none is allowed.
    """
    if self._prices.most is None:
      return True
    if self.uncounted or self.money >= self._prices.most:
      return False
    if not self._seen:
      return not under_way
    expected = self.money + sum(map(self._expected, (images, *under_way)))
    return expected <= self._prices.most * (1 + _ROUNDING)

  @property
  def money(self) -> float | None:
    """So far; None if prices are not known."""
    return self._prices.of(self.tokens_in, self.tokens_out)

  @property
  def text(self) -> str:
    """As in `12,345 tokens in, 67 out, 0.0312 (money)`."""
    said = f'{self.tokens_in:,} tokens in, {self.tokens_out:,} out'
    if self.uncounted:
      said += f' ({self.uncounted} answers uncounted by the server)'
    return said if self.money is None else f'{said}, cost {self.money:,.4f}'

  def _expected(self, images: int) -> float:
    enough = [n for n in self._seen if n >= images]
    nearest = min(enough) if enough else max(self._seen)
    tokens_in = self._seen[nearest] * max(1, images / nearest)
    return self._prices.of(tokens_in, self._longest)
