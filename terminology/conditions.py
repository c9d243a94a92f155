"""What a value set asks of a concept, as a frozen value that can be tried on a concept or asked of a database.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, assert_never

import re2  # type: ignore[import-untyped]

from terminology import folding
from terminology.concepts import CHILD, PARENT, Concept

MOST_PATTERN: Final = 512  # characters of a regular expression
_QUIET: Final = re2.Options()
_QUIET.log_errors = False
# What every concept may be asked for, whether its code system declares it or not.
# https://hl7.org/fhir/R4/codesystem-concept-properties.html
OF_EVERY: Final = frozenset(
    {"code", "display", PARENT, CHILD, "inactive", "notSelectable", "deprecated", "deprecationDate"}
)


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
        among = _among(property, values)
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
        case "inactive" if value in {"true", "false"}:
            return Active() if value == "false" else Not(Active())
        case "notSelectable" if value in {"true", "false"}:
            return Selectable() if value == "false" else Not(Selectable())
        case _:
            return _among(property, (value,))


def _among(property: str, values: tuple[str, ...]) -> Condition:
    match property:
        case "code" | "concept":
            return Codes(values)
        case "display":
            return some(Display(value) for value in values)
        case _:
            return Equals(property, values)


def compiled(pattern: str) -> Any:
    """Return the compiled pattern, which takes linear time; raise Unsupported when it cannot be one."""
    if len(pattern) > MOST_PATTERN:
        raise Unsupported(f"a regular expression has {MOST_PATTERN} characters at most")
    try:
        return re2.compile(pattern, _QUIET)
    except re2.error as error:
        raise Unsupported(f"'{pattern[:80]}' is no regular expression that takes linear time: {error}") from None


def properties(condition: Condition) -> set[str]:
    """Return the properties that `condition` asks for and that a code system has only when it says so."""
    match condition:
        case Equals(property) | Exists(property) | Matches(property):
            return {property} - OF_EVERY
        case Every(parts) | Some(parts):
            return set().union(*map(properties, parts))
        case Not(part):
            return properties(part)
        case _:
            return set()


class Asked(NamedTuple):
    """What must be known of a code system before a condition can be tried."""

    codes: frozenset[str] = frozenset()  # these concepts
    leaves: bool = False  # which codes have others below


def asked(condition: Condition, *, exact: bool) -> Asked:
    """Return what must be known to settle `condition`; unless `exact`, codes are the same in any case."""
    match condition:
        case Above(code):
            return Asked(frozenset({code}))
        case Equals(property, values) if property == CHILD:
            return Asked(frozenset(values))
        case Exists(property) if property == CHILD:
            return Asked(leaves=True)
        case Codes(codes) if not exact:
            return Asked(frozenset(codes))
        case Below(code) if not exact:
            return Asked(frozenset({code}))
        case Every(parts) | Some(parts):
            found = [asked(part, exact=exact) for part in parts]
            return Asked(frozenset().union(*(each.codes for each in found)), any(each.leaves for each in found))
        case Not(part):
            return asked(part, exact=exact)
        case _:
            return Asked()


def settled(
    condition: Condition, find: Callable[[str], Concept | None], inner: Callable[[], Iterable[str]]
) -> Condition:
    """Return `condition` ready to be tried: with codes as the code system writes them, and without looking at others.

    `find` gives the concept of a code, `inner` the codes that have others below; `asked` says for which.
    """

    def spelled(code: str) -> str:
        concept = find(code)
        return code if concept is None else concept.code

    match condition:
        case Above(code):
            concept = find(code)
            return Codes((spelled(code), *sorted(concept.ancestors if concept else ())))
        case Equals(property, values) if property == CHILD:
            found = [concept for value in values if (concept := find(value)) is not None]
            return Codes(tuple(dict.fromkeys(code for concept in found for code in concept.parents)))
        case Exists(property) if property == CHILD:
            return Codes(tuple(inner()))
        case Codes(codes):
            return Codes(tuple(dict.fromkeys(map(spelled, codes))))
        case Below(code, own):
            return Below(spelled(code), own)
        case Every(parts):
            return Every(tuple(settled(part, find, inner) for part in parts))
        case Some(parts):
            return Some(tuple(settled(part, find, inner) for part in parts))
        case Not(part):
            return Not(settled(part, find, inner))
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
        case Exists("display"):
            return lambda concept: concept.display is not None
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
