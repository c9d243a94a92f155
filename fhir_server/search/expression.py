"""`_filter`: expressions over the same criteria that other parameters are made of.

    given eq "Minh" and (birthdate ge 2020 or not(active eq true)) and organization.name co "y te"

`and` and `or` are taken from left to right, as the page says; brackets tell otherwise.

https://hl7.org/fhir/R4/search_filter.html
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fhir_server.search import criteria
from fhir_server.search.criteria import Chain, Criterion, Group, Refused, Reverse, Wanted
from fhir_server.search.matching import Value
from fhir_server.search.parameters import Catalogue
from fhir_server.search.types.date import Date
from fhir_server.search.types.number import Number
from fhir_server.search.types.quantity import Quantity
from fhir_server.search.types.string import Text
from fhir_server.search.values import Invalid

Change = Callable[[Value], Value]

COMPARISONS = 50  # in one expression
NESTED = 20  # brackets in brackets

_TOKEN = re.compile(r'\s*(?:([()])|("(?:[^"\\]|\\.)*")|([^\s()"\[\]]+))')
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_\-.:]*")
ORDERED = frozenset({"gt", "lt", "ge", "le", "ap", "sa", "eb"})
# What the operators of texts and codes are called as modifiers.
MODIFIERS = {"co": "contains", "in": "in", "ni": "not-in", "sb": "below", "ss": "above"}
OPERATORS = ("eq", "ne", "co", "sw", "ew", *sorted(ORDERED), "po", "pr", "re", "in", "ni", "sb", "ss")


def parse(catalogue: Catalogue, type: str, text: str, now: datetime) -> Wanted:
    """Read the expression of a search in `type`; raise Refused, saying where it cannot be followed."""
    try:
        reading = _Reading(catalogue, type, now, list(_tokens(text)))
        found = reading.expression(0)
        if reading.place < len(reading.tokens):
            raise _unexpected(reading.tokens[reading.place])
        return found
    except Invalid as error:
        raise Refused(f"_filter: {error.en}", f"_filter: {error.vi}", ignorable=False) from None
    except Refused as refused:
        issue = refused.issue
        en, vi = f"_filter: {issue.en}", f"_filter: {issue.vi}"
        raise Refused(en, vi, ignorable=refused.ignorable, code=issue.code) from None


def _tokens(text: str) -> Iterator[str]:
    """Yield brackets, words and JSON strings (these with their quotes)."""
    text = text.rstrip()
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _unexpected(text[place:])
        yield next(group for group in found.groups() if group is not None)
        place = found.end()


def _unexpected(text: str) -> Invalid:
    return Invalid(
        f"'{text[:50]}' is not expected here: write parameter operator value, joined by and, or, not(…)",
        f"'{text[:50]}' không đúng chỗ: hãy viết tham-số toán-tử giá-trị, nối bằng and, or, not(…)",
    )


@dataclass(slots=True)
class _Reading:
    """A walk over the tokens of one expression."""

    catalogue: Catalogue
    type: str
    now: datetime
    tokens: list[str]
    place: int = 0
    comparisons: int = 0

    def next(self) -> str:
        if self.place >= len(self.tokens):
            raise Invalid(
                "the expression ends too early: write parameter operator value",
                "biểu thức kết thúc quá sớm: hãy viết tham-số toán-tử giá-trị",
            )
        self.place += 1
        return self.tokens[self.place - 1]

    def expression(self, depth: int) -> Wanted:
        """Read terms joined by `and` and `or`, up to a closing bracket or the end."""
        if depth > NESTED:
            raise Invalid(f"more than {NESTED} brackets in brackets", f"hơn {NESTED} lớp ngoặc lồng nhau")
        found = self.term(depth)
        while self.place < len(self.tokens) and self.tokens[self.place] != ")":
            word = self.next()
            if word not in {"and", "or"}:
                raise _unexpected(word)
            parts = found.parts if isinstance(found, Group) and found.operator == word else (found,)
            found = Group(word, (*parts, self.term(depth)))
        return found

    def term(self, depth: int) -> Wanted:
        word = self.next()
        if word == "(":
            return self.bracketed(depth)
        if word == "not" and self.place < len(self.tokens) and self.tokens[self.place] == "(":
            self.place += 1
            return Group("not", (self.bracketed(depth),))
        if not _PATH.fullmatch(word):
            raise _unexpected(word)
        self.comparisons += 1
        if self.comparisons > COMPARISONS:
            raise Invalid(f"more than {COMPARISONS} comparisons", f"hơn {COMPARISONS} phép so sánh")
        return self.comparison(word, self.next(), self.value())

    def bracketed(self, depth: int) -> Wanted:
        found = self.expression(depth + 1)
        if self.next() != ")":
            raise _unexpected(self.tokens[self.place - 1])
        return found

    def value(self) -> str:
        word = self.next()
        if word in {"(", ")"}:
            raise _unexpected(word)
        if not word.startswith('"'):
            return word
        try:
            return str(json.loads(word))
        except ValueError:
            raise _unexpected(word) from None

    def comparison(self, path: str, operator: str, value: str) -> Wanted:
        """Return what `path operator value` asks for, as the parameter it amounts to."""
        text = value.replace("\\", "\\\\").replace(",", "\\,")
        if operator not in OPERATORS:
            there_are = ", ".join(OPERATORS)
            raise Invalid(
                f"there is no operator '{operator[:50]}'; available: {there_are}",
                f"không có toán tử '{operator[:50]}'; hiện có: {there_are}",
            )
        if operator in MODIFIERS:
            return self.parameter(f"{path}:{MODIFIERS[operator]}", text)
        if operator == "pr":
            return self.parameter(f"{path}:missing", {"true": "false", "false": "true"}.get(text, text))
        if operator in ORDERED:
            found = self.parameter(path, operator + text)
            return self.checked(found, path, operator)
        found = self.parameter(path, text)
        if operator in KINDS:
            kind, change = KINDS[operator]
            leaves = list(_leaves(found))
            self.require(all(leaf.parameter.type == kind for leaf in leaves), path, operator)
            self.require({_prefix(value) for leaf in leaves for value in leaf.values} <= {None, "eq"}, path, operator)
            return _changed(found, change)
        if operator == "ne" and all(_prefix(value) for leaf in _leaves(found) for value in leaf.values):
            return self.checked(self.parameter(path, "ne" + text), path, "ne")
        if operator == "ne":
            return self.unequal(found, path)
        return _changed(self.checked(found, path, "eq"), _equal)

    def parameter(self, name: str, text: str) -> Wanted:
        return criteria.parse(self.catalogue, self.type, name, text, self.now)

    def checked(self, found: Wanted, path: str, operator: str) -> Wanted:
        """Return `found`; raise Invalid when its values do not have the order that `operator` is about."""
        prefixes = {_prefix(value) for leaf in _leaves(found) for value in leaf.values}
        self.require(prefixes <= ({None, "eq"} if operator == "eq" else {operator}), path, operator)
        return found

    def unequal(self, found: Wanted, path: str) -> Wanted:
        """Return "there is a value and it is another": the same as "not equal" only where one value can be."""
        if path == "_id":  # which every resource has
            return Group("not", (found,))
        self.require(isinstance(found, Criterion) and found.parameter.single, path, "ne")
        return Group("and", (self.parameter(f"{path}:missing", "false"), Group("not", (_changed(found, _equal),))))

    def require(self, fits: bool, path: str, operator: str) -> None:
        if not fits:
            raise Invalid(
                f"{path[:100]} cannot be compared by {operator} so: try eq, or not({path[:100]} eq …)",
                f"{path[:100]} không so sánh bằng {operator} như vậy được: hãy thử eq, hoặc not({path[:100]} eq …)",
            )


def _prefix(value: object) -> str | None:
    """Return the prefix of a value that has an order; None for others."""
    match value:
        case Date(prefix=prefix) | Number(prefix=prefix):
            return prefix
        case Quantity(number=number):
            return number.prefix
        case _:
            return None


def _leaves(wanted: Wanted) -> Iterator[Criterion]:
    match wanted:
        case Criterion():
            yield wanted
        case Chain(_, links):
            for _, inner in links:
                yield from _leaves(inner)
        case Reverse(criterion=inner):
            yield from _leaves(inner)
        case Group(_, parts):
            for part in parts:
                yield from _leaves(part)


def _changed(wanted: Wanted, change: Change) -> Wanted:
    """Return `wanted` with every value changed."""
    match wanted:
        case Criterion(parameter, None, values):
            return Criterion(parameter, None, tuple(change(value) for value in values))
        case Chain(parameter, links):
            return Chain(parameter, tuple((type, _changed(inner, change)) for type, inner in links))
        case Reverse(target, type, parameter, inner):
            return Reverse(target, type, parameter, _changed(inner, change))
        case _:
            return wanted


def _equal(value: Value) -> Value:
    """Return a text that must be equal (but for case and marks), not only begin so."""
    return value._replace(modifier="equal") if isinstance(value, Text) else value


def _ending(value: Value) -> Value:
    return value._replace(modifier="ending") if isinstance(value, Text) else value


def _overlapping(value: Value) -> Value:
    return value._replace(prefix="ap") if isinstance(value, Date) else value  # its interval, without a margin


# Operators that suit one type of parameter, and what they make of its values.
KINDS: dict[str, tuple[str, Change]] = {
    "sw": ("string", lambda value: value),
    "ew": ("string", _ending),
    "po": ("date", _overlapping),
    "re": ("reference", lambda value: value),
}
