"""What a value set asks of a concept, as a frozen value that can be tried on a concept or asked of a database.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, assert_never

import re2  # type: ignore[import-untyped]

from terminology import folding
from terminology.concepts import PARENT, Concept

MOST_PATTERN: Final = 512  # characters of a regular expression
_QUIET: Final = re2.Options()
_QUIET.log_errors = False


class Unsupported(Exception):
    """A filter that means nothing here; the text says which."""


@dataclass(frozen=True, slots=True)
class Codes:
    """One of these codes, in the order in which the value set lists them."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Below:
    """The concept `code` itself (when `own`) or what is below it."""

    code: str
    own: bool


@dataclass(frozen=True, slots=True)
class Above:
    """The concept `code` itself or what is above it; becomes Codes before it is tried (`settled`)."""

    code: str


@dataclass(frozen=True, slots=True)
class Equals:
    """A property that has one of these values."""

    property: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """A property that has any value."""

    property: str


@dataclass(frozen=True, slots=True)
class Matches:
    """A property (or `code`, `display`) with a value that the whole pattern (RE2) describes."""

    property: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Display:
    """A display that is exactly this."""

    text: str


@dataclass(frozen=True, slots=True)
class Holds:
    """Valid on that day."""

    on: date


@dataclass(frozen=True, slots=True)
class Active:
    """Not inactive."""


@dataclass(frozen=True, slots=True)
class Selectable:
    """Not abstract."""


@dataclass(frozen=True, slots=True)
class Words:
    """Every one of these folded words begins a word of the code or a name."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All of the conditions; of none of them: every concept."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the conditions; of none of them: no concept."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """What the condition leaves out."""

    part: "Condition"


Condition = (
    Codes
    | Below
    | Above
    | Equals
    | Exists
    | Matches
    | Display
    | Holds
    | Active
    | Selectable
    | Words
    | Every
    | Some
    | Not
)
ALL: Final = Every()
NONE: Final = Some()


def every(parts: Iterable[Condition]) -> Condition:
    """Return the conjunction of `parts`, as simple as it can be said."""
    kept: list[Condition] = []
    for part in parts:
        kept += part.parts if isinstance(part, Every) else (part,)
    if NONE in kept:
        return NONE
    different = tuple(dict.fromkeys(kept))
    return different[0] if len(different) == 1 else Every(different)


def some(parts: Iterable[Condition]) -> Condition:
    """Return the disjunction of `parts`, as simple as it can be said."""
    kept: list[Condition] = []
    for part in parts:
        kept += part.parts if isinstance(part, Some) else (part,)
    if ALL in kept:
        return ALL
    if kept and all(isinstance(part, Codes) for part in kept):
        return Codes(tuple(dict.fromkeys(code for part in kept if isinstance(part, Codes) for code in part.codes)))
    different = tuple(dict.fromkeys(kept))
    return different[0] if len(different) == 1 else Some(different)


def read(filter: dict[str, Any]) -> Condition:
    """Return the condition that a ValueSet.compose.include.filter states; raise Unsupported when it states none."""
    property, operator, value = (filter.get(name) for name in ("property", "op", "value"))
    if not (isinstance(property, str) and isinstance(operator, str) and isinstance(value, str)):
        raise Unsupported("a filter has a property, an op and a value")
    if operator in _OF_CONCEPTS:
        if property not in {"concept", "code"}:
            raise Unsupported(f"filter {operator} is of the property 'concept', not of '{property}'")
        return _OF_CONCEPTS[operator](value)
    if operator in {"in", "not-in"}:
        values = tuple(part.strip() for part in value.split(",") if part.strip())
        among: Condition = Codes(values) if property in {"concept", "code"} else Equals(property, values)
        return Not(among) if operator == "not-in" else among
    if operator == "=":
        return _equal(property, value)
    if operator == "regex":
        compiled(value)
        return Matches("code" if property == "concept" else property, value)
    if operator == "exists":
        if value not in {"true", "false"}:
            raise Unsupported(f"filter exists is true or false, not '{value}'")
        return Exists(property) if value == "true" else Not(Exists(property))
    raise Unsupported(f"filter '{operator}' is not one of FHIR R4")


_OF_CONCEPTS: Final[dict[str, Callable[[str], Condition]]] = {
    "is-a": lambda code: Below(code, own=True),
    "descendent-of": lambda code: Below(code, own=False),
    "is-not-a": lambda code: Not(Below(code, own=True)),
    "generalizes": Above,
}


def _equal(property: str, value: str) -> Condition:
    match property:
        case "code" | "concept":
            return Codes((value,))
        case "display":
            return Display(value)
        case "inactive" if value in {"true", "false"}:
            return Active() if value == "false" else Not(Active())
        case _:
            return Equals(property, (value,))


def compiled(pattern: str) -> Any:
    """Return the compiled pattern, which takes linear time; raise Unsupported when it cannot be one."""
    if len(pattern) > MOST_PATTERN:
        raise Unsupported(f"a regular expression has {MOST_PATTERN} characters at most")
    try:
        return re2.compile(pattern, _QUIET)
    except re2.error as error:
        raise Unsupported(f"'{pattern[:80]}' is no regular expression that takes linear time: {error}") from None


def tops(condition: Condition) -> set[str]:
    """Return the codes of every Above in `condition`: what must be known before it can be tried."""
    match condition:
        case Above(code):
            return {code}
        case Every(parts) | Some(parts):
            return set().union(*map(tops, parts))
        case Not(part):
            return tops(part)
        case _:
            return set()


def settled(condition: Condition, above: Callable[[str], Iterable[str]]) -> Condition:
    """Return `condition` with each Above replaced by the codes that it stands for: `above` gives the ancestors."""
    match condition:
        case Above(code):
            return Codes((code, *sorted(above(code))))
        case Every(parts):
            return Every(tuple(settled(part, above) for part in parts))
        case Some(parts):
            return Some(tuple(settled(part, above) for part in parts))
        case Not(part):
            return Not(settled(part, above))
        case _:
            return condition


def predicate(condition: Condition) -> Callable[[Concept], bool]:  # noqa: C901 — one case for each condition
    """Compile a settled condition."""
    match condition:
        case Codes(codes):
            wanted = frozenset(codes)
            return lambda concept: concept.code in wanted
        case Below(code, own):
            return lambda concept: code in concept.ancestors or (own and concept.code == code)
        case Equals(property, values):
            pairs = {(property, value) for value in values}
            return lambda concept: not pairs.isdisjoint(pairs_of(concept))
        case Exists(property):
            return lambda concept: any(name == property for name, _ in pairs_of(concept))
        case Matches(property, pattern):
            full = compiled(pattern).fullmatch
            return lambda concept: any(full(value) is not None for value in texts_of(concept, property))
        case Display(text):
            return lambda concept: concept.display == text
        case Holds(on):
            return lambda concept: concept.since <= on <= concept.until
        case Active():
            return lambda concept: not concept.inactive
        case Selectable():
            return lambda concept: not concept.abstract
        case Words(words):
            return lambda concept: folding.found(words, concept.words)
        case Every(parts):
            tests = [predicate(part) for part in parts]
            return lambda concept: all(test(concept) for test in tests)
        case Some(parts):
            tests = [predicate(part) for part in parts]
            return lambda concept: any(test(concept) for test in tests)
        case Not(part):
            test = predicate(part)
            return lambda concept: not test(concept)
        case Above():
            raise ValueError("the condition is not settled")
        case _:
            assert_never(condition)


def pairs_of(concept: Concept) -> set[tuple[str, str]]:
    """Return the properties of a concept that conditions can ask for: those it has, its parents included."""
    return {*concept.properties, *((PARENT, code) for code in concept.parents)}


def texts_of(concept: Concept, property: str) -> list[str]:
    """Return the values of a property, `code` and `display` included."""
    if property == "code":
        return [concept.code]
    if property == "display":
        return [concept.display] if concept.display is not None else []
    return [value for name, value in pairs_of(concept) if name == property]
