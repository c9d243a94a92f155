"""Whether an expression holds of one item: the usual shapes of constraints, decided without making collections.

https://hl7.org/fhirpath/N1/#boolean-logic · https://hl7.org/fhirpath/N1/#filtering-and-projection

Each shape yields what the general closures of `evaluation` yield; every other shape is left to them.
"""

import re
from collections.abc import Callable
from typing import Any

from fhir_server.fhirpath import calls, functions
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Evaluate
from fhir_server.fhirpath.functions import EMPTY, Bare, Values, logical
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Binary, Call, Literal, Member, Node, Step, This

Truth = Callable[[Any, Around], bool | None]  # of one item; None: empty
Test = Callable[[Any, Around], bool]
General = Callable[[Node, Names], Evaluate]  # the compiler of everything

WITH_EXTRAS = (
    Member("extension"),
    Member("id"),
)  # of a primitive they lie beside it, which is for the general compiler


def compile(node: Node, names: Names, general: General) -> Truth:
    """Return the truth value of `node` on an item, as `logical` of its collection; raise Unsupported as `general`."""
    match node:
        case Binary("and" | "or" | "implies" as operator, left, right):
            return _connective(operator, compile(left, names, general), compile(right, names, general))
        case Binary("=" | "!=" as operator, left, Literal(value)) if type(value) is str or type(value) is bool:
            if operator == "=":
                return _equals(left, value, names, general)
            if type(value) is bool or functions.TEMPORAL(value) is None:  # moments are written in several ways
                return _not(_equals(left, value, names, general))
        case Binary("<" | ">" | "<=" | ">=" as operator, left, right):
            return _comparison(operator, values(left, names, general), values(right, names, general))
        case Literal(bool() as value):
            return lambda item, around: value
        case Call("iif", (condition, then, otherwise)):
            return _iif(*(compile(part, names, general) for part in (condition, then, otherwise)))
        case Call("matches", (Literal(str(pattern)),)) | Step(This(), Call("matches", (Literal(str(pattern)),))):
            return _matches(pattern, general(node, names))
        case Step(source, Call("not", ())):
            return _not(compile(source, names, general))
        case Step(source, Call("exists" | "empty" | "all" as name, arguments)) if len(arguments) <= 1:
            return _some(name, source, arguments, names, general)
        case _:
            pass
    evaluate = general(node, names)
    return lambda item, around: logical(evaluate([item], around))


def test(criterion: Node, names: Names, general: General) -> Test:
    """Return whether an item makes `criterion` true; a criterion that is empty does not."""
    match criterion:
        case Binary("or", left, right):
            one, other = test(left, names, general), test(right, names, general)
            return lambda item, around: one(item, around) or other(item, around)
        case Binary("and", left, right):
            one, other = test(left, names, general), test(right, names, general)
            return lambda item, around: one(item, around) and other(item, around)
        case Binary("=", Member(name), Literal(str(text))) if _plain(name, names):
            return lambda item, around: (
                type(item) is dict and ((value := item.get(name)) == text or (type(value) is list and value == [text]))
            )
        case _:
            holds = compile(criterion, names, general)
            return lambda item, around: holds(item, around) is True


def values(node: Node, names: Names, general: General) -> Callable[[Any, Around], Values]:
    """Return the collection that `node` leads to from one item."""
    match node:
        case Call("where", (criterion,)):
            keep = test(criterion, names, general)
            return lambda item, around: [item] if keep(item, around) else EMPTY
        case Step(source, Call("where", (criterion,))):
            return _filtered(values(source, names, general), criterion, names, general)
        case Member(name) if _plain(name, names):
            return _member(name, general(node, names))
        case Step(source, Member() as then) if then not in WITH_EXTRAS:
            before, child = values(source, names, general), general(then, names)
            return lambda item, around: child(found, around) if (found := before(item, around)) else EMPTY
        case _:
            evaluate = general(node, names)
            return lambda item, around: evaluate([item], around)


def _plain(name: str, names: Names) -> bool:
    """Return whether a member has one name in JSON, and is no type at the beginning of a path."""
    return name not in names.choices and name not in names.resources


def _member(name: str, every: Evaluate) -> Callable[[Any, Around], Values]:
    def child(item: Any, around: Around) -> Values:
        if type(item) is dict:
            value = item.get(name)
            if type(value) is str or type(value) is dict:
                return [value]
            if value is None and "_" + name not in item:
                return EMPTY
        return every([item], around)

    return child


def _filtered(
    source: Callable[[Any, Around], Values], criterion: Node, names: Names, general: General
) -> Callable[[Any, Around], Values]:
    match criterion:
        case Binary("=", Member(name), Literal(str(text))) if _plain(name, names):
            return lambda item, around: [
                one
                for one in source(item, around)
                if type(one) is dict and ((value := one.get(name)) == text or (type(value) is list and value == [text]))
            ]
        case _:
            keep = test(criterion, names, general)
            return lambda item, around: [one for one in source(item, around) if keep(one, around)]


def _some(name: str, source: Node, arguments: tuple[Node, ...], names: Names, general: General) -> Truth:
    """Compile `exists()`, `exists(criterion)`, `empty()` and `all(criterion)`."""
    found = values(source, names, general)
    match name, arguments:
        case "exists", ():
            return lambda item, around: bool(found(item, around))
        case "empty", ():
            return lambda item, around: not found(item, around)
        case "exists", (criterion,):
            holds = test(criterion, names, general)
            return lambda item, around: any(holds(one, around) for one in found(item, around))
        case "all", (criterion,):
            holds = test(criterion, names, general)
            return lambda item, around: all(holds(one, around) for one in found(item, around))
        case _:
            evaluate = general(Step(source, Call(name, arguments)), names)
            return lambda item, around: logical(evaluate([item], around))


def _connective(operator: str, one: Truth, other: Truth) -> Truth:
    """Compile three-valued logic (§6.5); the right side is not evaluated when the left one decides."""

    def both(item: Any, around: Around) -> bool | None:
        left = one(item, around)
        if left is False:
            return False
        right = other(item, around)
        return False if right is False else None if left is None or right is None else True

    def either(item: Any, around: Around) -> bool | None:
        left = one(item, around)
        if left is True:
            return True
        right = other(item, around)
        return True if right is True else None if left is None or right is None else False

    def implication(item: Any, around: Around) -> bool | None:
        left = one(item, around)
        if left is False:
            return True
        right = other(item, around)
        return True if right is True else None if left is None or right is None else False

    return {"and": both, "or": either, "implies": implication}[operator]


def _not(holds: Truth) -> Truth:
    def negation(item: Any, around: Around) -> bool | None:
        found = holds(item, around)
        return None if found is None else not found

    return negation


def _equals(left: Node, wanted: str | bool, names: Names, general: General) -> Truth:
    """Compile `path = 'text'` and `path = true`."""
    found, expected = values(left, names, general), [wanted]

    def equals(item: Any, around: Around) -> bool | None:
        given = found(item, around)
        if type(wanted) is bool:
            return functions.equal(given, expected)
        return None if not given or type(given[0]) is Bare else given == expected

    if not isinstance(left, Member) or not _plain(left.name, names):
        return equals
    name, kind = left.name, type(wanted)

    def member(item: Any, around: Around) -> bool | None:
        value = item.get(name) if type(item) is dict else None
        return value == wanted if type(value) is kind else equals(item, around)

    return member


def _comparison(operator: str, one: Callable[[Any, Around], Values], other: Callable[[Any, Around], Values]) -> Truth:
    wanted = calls.ORDERS[operator]

    def compares(item: Any, around: Around) -> bool | None:
        found = functions.order(one(item, around), other(item, around))
        return None if found is None else found in wanted

    return compares


def _iif(condition: Truth, then: Truth, otherwise: Truth) -> Truth:
    return lambda item, around: then(item, around) if condition(item, around) is True else otherwise(item, around)


def _matches(pattern: str, general: Evaluate) -> Truth:
    """Compile `matches` of the item itself; `general` has refused what is no regular expression."""
    search: Callable[[str], re.Match[str] | None] = functions.anchored(pattern)  # type: ignore[assignment]
    return lambda item, around: search(item) is not None if type(item) is str else None
