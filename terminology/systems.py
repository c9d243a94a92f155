"""Code systems: what is known of one as a whole, and one that is held in memory.

https://hl7.org/fhir/R4/codesystem.html
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from terminology.concepts import Concept, concepts
from terminology.conditions import Condition, asked, predicate, properties, settled

Json = dict[str, Any]

LANGUAGE_PREFIX: Final = "lang."


@dataclass(frozen=True, slots=True)
class Head:
    """A code system without its concepts."""

    url: str
    version: str | None = None
    name: str | None = None
    title: str | None = None
    language: str | None = None
    case_sensitive: bool = True
    complete: bool = True  # every concept is known: what is not among them is no code of it
    hierarchy: str | None = None  # what "below" means; None: not said
    properties: tuple[str, ...] = ()  # that it declares
    filters: tuple[str, ...] = ()  # properties of filters that it declares

    @property
    def shown(self) -> str:
        """The URL and the version, for messages and expansions."""
        return f"{self.url}|{self.version}" if self.version else self.url

    def key(self, code: str) -> str:
        """Return what a code is looked up by."""
        return code if self.case_sensitive else code.casefold()

    def undeclared(self, condition: Condition) -> set[str]:
        """Return the properties that `condition` asks for and that the code system, all of which is known, lacks."""
        return properties(condition).difference(self.properties, self.filters) if self.complete else set()


def head(resources: Sequence[Json]) -> Head:
    """Return what the parts of one code system say of it; they are complete when together they hold `count` concepts.

    https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.content
    """
    first = resources[0]
    return Head(
        url=first.get("url", ""),
        version=first.get("version"),
        name=first.get("name"),
        title=first.get("title"),
        language=first.get("language"),
        case_sensitive=first.get("caseSensitive", True) is not False,
        complete=first.get("content") == "complete",
        hierarchy=first.get("hierarchyMeaning"),
        properties=tuple(row["code"] for row in first.get("property", ()) if "code" in row),
        filters=tuple(row["code"] for row in first.get("filter", ()) if "code" in row),
    )


class System:
    """A code system in memory."""

    def __init__(self, known: Head, rows: Iterable[Concept]):
        self.head = known
        self.concepts: Mapping[str, Concept] = {known.key(concept.code): concept for concept in rows}

    def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """Return the concepts of those `codes` that exist, by the code as it was asked for."""
        return {code: found for code in codes if (found := self.concepts.get(self.head.key(code))) is not None}

    def settled(self, condition: Condition) -> Condition:
        """Return `condition` ready to be tried."""
        wanted = asked(condition, exact=self.head.case_sensitive)
        if not wanted.codes and not wanted.leaves:
            return condition
        return settled(condition, self.find(wanted.codes).get, lambda: self._inner)

    @cached_property
    def used(self) -> frozenset[str]:
        """The properties that its concepts have."""
        return frozenset(name for concept in self.concepts.values() for name, _ in concept.properties)

    @cached_property
    def _inner(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(code for concept in self.concepts.values() for code in concept.parents))

    def select(self, condition: Condition) -> list[Concept]:
        """Return the concepts that satisfy a condition, in the order of the code system."""
        holds = predicate(self.settled(condition))
        return [concept for concept in self.concepts.values() if holds(concept)]

    def children(self, code: str) -> list[Concept]:
        """Return the concepts directly below `code`."""
        return [concept for concept in self.concepts.values() if code in concept.parents]


def read(resources: Sequence[Json]) -> System:
    """Return the code system that `resources`, its parts, make up."""
    known, rows = head(resources), concepts(resources)
    return System(whole(known, len(rows), resources), rows)


def whole(known: Head, number: int, resources: Sequence[Json]) -> Head:
    """Return the head of a code system of which `number` concepts are there: fragments may add up to all of it."""
    declared = resources[0].get("count")
    if known.complete or resources[0].get("content") != "fragment" or declared is None or number < int(declared):
        return known
    return Head(**{name: getattr(known, name) for name in Head.__slots__} | {"complete": True})


def display(concept: Concept, wanted: str | None, own: str | None) -> str | None:
    """Return the name of a concept in the language `wanted` ("vi", "vi-VN"), else its display in the system's `own`.

    https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.designation
    """
    if wanted is None or speaks(own, wanted):
        return concept.display
    for designation in concept.designations:
        if speaks(designation.get("language"), wanted):
            text = designation.get("value")
            return text if isinstance(text, str) else concept.display
    return concept.display


def speaks(language: str | None, wanted: str) -> bool:
    """Return whether text in `language` serves who wants `wanted`: the same, or the same without its region."""
    if language is None:
        return False
    return language.lower() == wanted.lower() or language.lower().partition("-")[0] == wanted.lower().partition("-")[0]


def names(concept: Concept) -> list[str]:
    """Return every name of a concept: its display first."""
    found = [concept.display, *(row.get("value") for row in concept.designations)]
    return [text for text in found if isinstance(text, str)]


def is_name(text: str, concept: Concept) -> bool:
    """Return whether `text` is one of the names, but for case, white space and how its letters are composed."""
    wanted = _plain(text)
    return any(_plain(name) == wanted for name in names(concept))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()).casefold())
