"""Python functions that are written while the server runs: what is called most has no calls within.

Nothing of an expression stands in the text: names, texts and numbers of it are constants that the function is given.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any, Final

# The same shapes come again and again, and reading a text costs more than all the rest.
MAX_TEXTS: Final = 512


MAX_LOOPS: Final = 16  # within each other; Python reads 20
MAX_LEVEL: Final = 64  # blocks within each other; Python reads 99


class TooDeep(Exception):
    """The function would have more blocks within each other than Python reads."""


class Code:
    """A function of `item` and `around` in the making."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._level = 1
        self._loops = 0
        self._constants: dict[str, Any] = {}
        self._names = 0

    def constant(self, value: Any) -> str:
        """Return the name under which the function finds `value`."""
        name = f"k{len(self._constants)}"
        self._constants[name] = value
        return name

    def literal(self, value: str | int | bool) -> str:
        """Return how `value` is written: a text as a constant, for nobody knows what is in it."""
        return self.constant(value) if isinstance(value, str) else str(value)

    def name(self) -> str:
        """Return a variable that nothing else uses."""
        self._names += 1
        return f"v{self._names}"

    def line(self, *texts: str) -> None:
        """Write statements at the place that has been reached."""
        self._lines += [" " * self._level + text for text in texts]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write the statements of `head`, such as `if …:`; raise TooDeep."""
        loop = head.startswith(("for ", "while "))
        if self._level >= MAX_LEVEL or self._loops + loop > MAX_LOOPS:
            raise TooDeep
        self.line(head)
        self._level, self._loops = self._level + 1, self._loops + loop
        yield
        self._level, self._loops = self._level - 1, self._loops - loop

    def function(self, result: str) -> Callable[[Any, Any], Any]:
        """Return the function, which returns `result`."""
        text = "\n".join(["def function(item, around):", *self._lines, f" return {result}"])
        space = self._constants
        exec(_read(text), space)  # nothing but what this room has written
        function: Callable[[Any, Any], Any] = space["function"]
        return function


@lru_cache(MAX_TEXTS)
def _read(text: str) -> CodeType:
    return compile(text, "<constraint>", "exec")
