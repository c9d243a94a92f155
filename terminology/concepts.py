"""Concepts: what a code system says of a code, its place in the hierarchy, and the time in which it holds.

https://hl7.org/fhir/R4/codesystem.html · https://hl7.org/fhir/R4/codesystem-concept-properties.html

Two properties of this server's own say when a concept holds: `validFrom` and `validTo` (dateTime, both days included).
"""

import calendar
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, NamedTuple

from terminology import folding

Json = dict[str, Any]

PARENT: Final = "parent"
CHILD: Final = "child"
MAX_ABOVE: Final = 1000  # concepts above one; in the largest systems that are in use it is less than a hundred
USUALLY_ABOVE: Final = 64  # concepts above one, on the average of a large system, at most
GONE: Final = frozenset({"inactive", "retired"})  # values of the property `status` that say the same as `inactive`
_DAY: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d).*)?)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Concept:
    """A concept of a code system; `json` is what the resource says of it, without the concepts below it."""

    json: Json
    order: int  # its place in the code system
    parents: tuple[str, ...] = ()
    ancestors: frozenset[str] = frozenset()  # all that it is a kind of, without itself

    @property
    def code(self) -> str:
        """Its code."""
        code: str = self.json["code"]
        return code

    @property
    def display(self) -> str | None:
        """Its display in the language of the code system."""
        return self.json.get("display")

    @property
    def designations(self) -> list[Json]:
        """Further names, as the resource has them."""
        found: list[Json] = self.json.get("designation", [])
        return found

    @property
    def properties(self) -> tuple[tuple[str, str], ...]:
        """Its properties and their values as texts."""
        return self._facts.properties

    @property
    def inactive(self) -> bool:
        """Whether it is no longer to be used."""
        return self._facts.inactive

    @property
    def abstract(self) -> bool:
        """Whether it only groups others."""
        return self._facts.abstract

    @property
    def since(self) -> date:
        """The first day on which it holds."""
        return self._facts.since

    @property
    def until(self) -> date:
        """The last day on which it holds."""
        return self._facts.until

    @cached_property
    def _facts(self) -> "_Facts":
        return _facts(self.json["property"]) if "property" in self.json else _NO_FACTS

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The folded words by which it is found: of its code, its display and its further names."""
        texts = [self.code, self.display, *(row.get("value") for row in self.designations)]
        return tuple(dict.fromkeys(word for text in texts if isinstance(text, str) for word in folding.words(text)))


class _Facts(NamedTuple):
    """What the properties of a concept say."""

    properties: tuple[tuple[str, str], ...] = ()
    inactive: bool = False
    abstract: bool = False
    since: date = date.min
    until: date = date.max


_NO_FACTS: Final = _Facts()


def _facts(rows: Iterable[Json]) -> _Facts:
    found = _NO_FACTS
    pairs = [(str(row.get("code")), value) for row in rows if (value := _value(row)) is not None]
    for code, value in pairs:
        match code:
            case "inactive" | "status" if value == "true" or value.lower() in GONE:
                found = found._replace(inactive=True)
            case "notSelectable" | "abstract" if value == "true":
                found = found._replace(abstract=True)
            case "validFrom":
                found = found._replace(since=max(found.since, day(value) or date.min))
            case "validTo":
                found = found._replace(until=min(found.until, day(value, last=True) or date.max))
            case _:
                pass
    return found._replace(properties=tuple(pairs))


def day(text: str, *, last: bool = False) -> date | None:
    """Return the first (or `last`) day that a dateTime means, None when it means none.

    >>> day("2025-02", last=True)
    datetime.date(2025, 2, 28)
    """
    read = _DAY.fullmatch(text)
    if read is None:
        return None
    year, month = int(read[1]), int(read[2] or (12 if last else 1))
    try:
        return date(year, month, int(read[3] or (calendar.monthrange(year, month)[1] if last else 1)))
    except ValueError:  # includes calendar.IllegalMonthError
        return None


def _value(row: Json) -> str | None:
    """Return the value of a property as text: of a Coding its code, of a Boolean true or false."""
    value = next((row[key] for key in row if key.startswith("value")), None)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        value = value.get("code")
    return None if value is None else str(value)


def concepts(resources: Sequence[Json]) -> list[Concept]:
    """Return the concepts of a code system, in order; parts (`content`: fragment) may be several resources."""
    hierarchy = Hierarchy()
    for resource in resources:
        hierarchy.add(resource)
    return [concept for resource in resources for concept in hierarchy.concepts(resource)]


def number(resource: Json) -> int:
    """Return how many concepts a code system has, however they are nested."""
    return sum(1 for _ in _flat(resource.get("concept", ()), None))


class Hierarchy:
    """Where the codes of one code system stand: it is told all parts before it makes the concepts of any, in order.

    A concept is below those that it is nested in and those that a property `parent` (or their `child`) names.
    """

    def __init__(self) -> None:
        self._order: dict[str, int] = {}  # of every code that is named
        self._above: list[tuple[int, ...]] = []  # by that order: what is right above
        self._codes: list[str] = []
        self._made = bytearray()  # by that order: 1, when the concept was made
        self._number = 0

    def add(self, resource: Json) -> None:
        """Take note of the codes of a part."""
        for json, above in _flat(resource.get("concept", ()), None):
            code = json["code"]
            self._place(code)
            if above is not None:
                self._put(code, above)
            for name, value in _links(json):
                self._put(*((code, value) if name == PARENT else (value, code)))

    def _place(self, code: str) -> int:
        place = self._order.setdefault(code, len(self._codes))
        if place == len(self._codes):
            self._codes.append(code)
            self._above.append(())
            self._made.append(0)
        return place

    def _put(self, code: str, above: str) -> None:
        low, high = self._place(code), self._place(above)
        if len(self._above[low]) <= MAX_ABOVE and high not in self._above[low]:
            self._above[low] += (high,)

    def concepts(self, resource: Json) -> Iterator[Concept]:
        """Yield the concepts of the part that comes next; of those with the same code only the first."""
        for json, _ in _flat(resource.get("concept", ()), None):
            place = self._order[json["code"]]
            if not self._made[place]:
                self._made[place] = 1
                parents = tuple(self._codes[up] for up in self._above[place])
                yield Concept(json, self._number, parents, self._ancestors(place))
                self._number += 1

    def overgrown(self) -> str | None:
        """Return the first code that lies below more than MAX_ABOVE others, or that makes it too many in all."""
        left = (len(self._codes) + 10 * MAX_ABOVE) * USUALLY_ABOVE
        for place, code in enumerate(self._codes):
            number = len(self._nearest(place, MAX_ABOVE + 1))
            left -= number
            if number > MAX_ABOVE or left < 0:
                return code
        return None

    def _ancestors(self, place: int) -> frozenset[str]:
        """Return what is above a code, the nearest MAX_ABOVE; what is above itself is an error, and left out."""
        return frozenset(self._codes[up] for up in self._nearest(place, MAX_ABOVE))

    def _nearest(self, place: int, most: int) -> set[int]:
        found: set[int] = set()
        waiting = deque(self._above[place])
        while waiting and len(found) < most:
            up = waiting.popleft()
            if up not in found and up != place:
                found.add(up)
                waiting += self._above[up]
        return found


def _flat(concepts: Any, above: str | None) -> Iterable[tuple[Json, str | None]]:
    waiting = [(json, above) for json in reversed(concepts)]
    while waiting:  # not by recursion: the depth is the client's
        json, parent = waiting.pop()
        below = json.get("concept", ())
        yield ({key: value for key, value in json.items() if key != "concept"} if below else json), parent
        waiting += [(child, json["code"]) for child in reversed(below)]


def _links(json: Json) -> Iterable[tuple[str, str]]:
    for row in json.get("property", ()):
        if row.get("code") in {PARENT, CHILD} and (value := _value(row)) is not None:
            yield row["code"], value
