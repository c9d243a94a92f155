"""What all search values share: the server they are read for, their escapes, and how one is refused.

https://hl7.org/fhir/R4/search.html#escaping
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir_server.definitions import Definitions

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]

# The rests (see `entries`) that one value of a FHIR type is indexed under.
Reader = Callable[[Any], Iterable[str]]

_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Context:
    """What the meaning of a value depends on besides its text."""

    definitions: Definitions  # for code systems and value sets
    base_url: str  # without "/" at its end; absolute references that begin with it are local
    zone: ZoneInfo  # of dates and times that name none
    resource_types: frozenset[str]
    case_sensitive: frozenset[str]  # code systems whose codes differ by case: https://hl7.org/fhir/R4/search.html#token
    # What was found out about `in`, `above` and `below` with a value: the codes, each with its system.
    meanings: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)


class Invalid(ValueError):
    """A search value cannot be read; the texts end with what to write instead."""

    def __init__(self, en: str, vi: str):
        super().__init__(en)
        self.en, self.vi = en, vi


def split(text: str, separator: str) -> list[str]:
    r"""Split at every `separator` (`,`, `|` or `$`) that no backslash escapes; the escapes stay.

    >>> split(r"a\\,b,c", ",")
    ['a\\\\', 'b', 'c']
    """
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""Replace `\,` `\|` `\$` `\\` by what they stand for; a backslash before anything else stands for itself."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def prefixed(text: str) -> tuple[Prefix, str]:
    """Return the prefix of an ordered value (`eq` when it has none) and the value."""
    found = _PREFIX.match(text)
    assert found is not None
    return found.group(1) or "eq", found.group(2)  # type: ignore[return-value]  # one of the nine by the pattern
