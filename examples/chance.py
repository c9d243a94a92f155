"""Repeatable chance: the same seed gives the same people on every machine and every Python from 3.11 on.

https://docs.python.org/3/library/random.html#notes-on-reproducibility

Only `random()` is promised to stay the same between versions of Python, so all draws here are made from it.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

V = TypeVar("V")


class Weighted(Generic[V]):
    """Values with weights, of which a draw takes one."""

    __slots__ = ("_limits", "_values")

    def __init__(self, weights: Iterable[tuple[V, float]]) -> None:
        pairs = tuple(weights)
        self._values = [value for value, _ in pairs]
        total = sum(weight for _, weight in pairs)
        self._limits = [limit / total for limit in accumulate(weight for _, weight in pairs)][:-1]

    def at(self, draw: float) -> V:
        """Return the value that the draw (0 ≤ `draw` < 1) falls on."""
        return self._values[bisect(self._limits, draw)]


class Chance:
    """A stream of draws that depends on nothing but `seed` and `number`."""

    __slots__ = ("draw",)

    def __init__(self, seed: int, number: int) -> None:
        # 2**40 numbers lie between two seeds, so that none meet; Random ignores a sign, so the sign becomes a bit.
        self.draw = Random((abs(seed) * 2 + (seed < 0)) << 40 | number).random

    def happens(self, probability: float) -> bool:
        """Return whether something with this probability happens."""
        return self.draw() < probability

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1."""
        return int(self.draw() * limit)

    def between(self, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`, both included."""
        return least + int(self.draw() * (most - least + 1))

    def soon(self, most: int) -> int:
        """Return a whole number from 0 to `most`, small ones far more often."""
        return int(self.draw() ** 3 * (most + 1))

    def one(self, values: Sequence[V]) -> V:
        """Return one of `values`, each as likely as the others."""
        return values[int(self.draw() * len(values))]

    def pick(self, values: Weighted[V]) -> V:
        """Return one of `values`, by their weights."""
        return values.at(self.draw())
