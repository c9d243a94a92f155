"""Concepts: what a code system says of a code, its place in the hierarchy, and the time in which it holds.

https://hl7.org/fhir/R4/codesystem.html · https://hl7.org/fhir/R4/codesystem-concept-properties.html

Two properties of this server's own say when a concept holds: `validFrom` and `validTo` (dateTime, both days included).
"""

import calendar
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, NamedTuple

from terminology import folding

Json = dict[str, Any]

PARENT: Final = "parent"
CHILD: Final = "child"
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


def concepts(resources: Iterable[Json]) -> list[Concept]:
    """Return the concepts of a code system, in order; parts (`content`: fragment) may be several resources.

    A concept is below those that it is nested in and those that a property `parent` (or their `child`) names.
    """
    rows: dict[str, Json] = {}
    parents: dict[str, list[str]] = {}
    for resource in resources:
        for json, above in _flat(resource.get("concept", ()), None):
            code = json["code"]
            rows.setdefault(code, json)
            known = parents.setdefault(code, [])
            known += [above] if above is not None else []
            for name, value in _links(json):
                if name == PARENT:
                    known.append(value)
                else:
                    parents.setdefault(value, []).append(code)
    unique = {code: tuple(dict.fromkeys(above)) for code, above in parents.items()}
    ancestors = _ancestors(unique)
    return [
        Concept(json, order, unique[code], ancestors.get(code, frozenset()))
        for order, (code, json) in enumerate(rows.items())
    ]


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


def _ancestors(parents: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """Return all that is above each code; what is above itself (an error of the code system) is left out once."""
    found: dict[str, frozenset[str]] = {}
    for code in parents:
        if code not in found:
            _climb(code, parents, found)
    return found


def _climb(start: str, parents: Mapping[str, tuple[str, ...]], found: dict[str, frozenset[str]]) -> None:
    path, on_path = [start], {start}
    while path:
        code = path[-1]
        missing = next((up for up in parents.get(code, ()) if up not in found and up not in on_path), None)
        if missing is not None:
            path.append(missing)
            on_path.add(missing)
            continue
        up = parents.get(code, ())
        found[code] = frozenset(up).union(*(found.get(each, frozenset()) for each in up)) - {code}
        on_path.discard(path.pop())
