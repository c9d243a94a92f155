"""The code tables that ship with this package: read once, when first asked for.

https://hl7.org/fhir/R4/terminologies.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any, TypeVar

V = TypeVar("V")


def read(name: str) -> dict[str, Any]:
    """Return the table `name` of `terminology/data`: its `source`, `licence`, `version`, `certainty` and rows."""
    table: dict[str, Any] = json.loads((files("terminology") / "data" / f"{name}.json").read_text("utf-8"))
    return table


class Table(Mapping[str, V]):
    """A mapping from code to fact that `load` fills when somebody first looks."""

    def __init__(self, load: Callable[[], dict[str, V]]) -> None:
        self._load = load

    @cached_property
    def _rows(self) -> dict[str, V]:
        return self._load()

    def __getitem__(self, code: str) -> V:
        return self._rows[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
