"""Whether an expression holds of one item: the usual shapes of constraints, decided without making collections.

https://hl7.org/fhirpath/N1/#boolean-logic · https://hl7.org/fhirpath/N1/#filtering-and-projection

Each shape yields what the general closures of `evaluation` yield; every other shape is left to them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.fhirpath import calls, functions, scalars
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Evaluate, Truth
from fhir_server.fhirpath.functions import EMPTY, Bare, Values, logical
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.scalars import UNSURE, Scalar, plain
from fhir_server.fhirpath.syntax import Binary, Call, Literal, Member, Node, Step, This

Test = Callable[[Any, Around], bool]
General = Callable[[Node, Names], Evaluate]  # the compiler of everything

# Functions of a text and a constant one: the constant → whether it is so of a text
TEXTUAL: Mapping[str, Callable[[str], Callable[[str], bool]]] = {
    "contains": lambda part: lambda text: part in text,
    "startsWith": lambda part: lambda text: text.startswith(part),
    "endsWith": lambda part: lambda text: text.endswith(part),
    "matches": lambda part: _search(part),
}

PRESENT = frozenset({bool, dict, int, str})  # types of what is there
WITH_EXTRAS = (
    Member("extension"),
    Member("id"),
)  # of a primitive they lie beside it, which is for the general compiler


def compile(node: Node, names: Names, general: General) -> Truth:
    """Return the truth value of `node` on an item, as `logical` of its collection; raise Unsupported as `general`."""
    match node:
        case Binary("and" | "or" | "implies" as operator, left, right):
            return calls.connective(operator, compile(left, names, general), compile(right, names, general))
        case Binary("=" | "!=" | "<" | ">" | "<=" | ">=") if (
            comparison := _compared(node, names, general)
        ) is not None:
            return comparison
        case Literal(bool() as value):
            return lambda item, around: value
        case Call("iif", (condition, then, otherwise)):
            return _iif(*(compile(part, names, general) for part in (condition, then, otherwise)))
        case Call(name, (Literal(str(part)),)) if name in TEXTUAL:
            return _textual(name, part, _scalar(This(), names, general), general(node, names))
        case Step(source, Call(name, (Literal(str(part)),))) if name in TEXTUAL:
            return _textual(name, part, _scalar(source, names, general), general(node, names))
        case Step(source, Call("not", ())):
            return _not(compile(source, names, general))
        case Step(source, Call("exists" | "empty" | "all" as name, arguments)) if len(arguments) <= 1:
            return _some(name, source, arguments, names, general)
        case _:
            pass
    evaluate = general(node, names)
    return lambda item, around: logical(evaluate([item], around))


def _compared(node: Binary, names: Names, general: General) -> Truth | None:
    """Compile a comparison; None where only the general closures can."""
    operator, left, right = node
    wanted = right.value if isinstance(right, Literal) else None
    moment = isinstance(wanted, str) and functions.TEMPORAL(wanted)  # which is written in several ways
    if operator in ("=", "!=") and not moment and (isinstance(wanted, str) or wanted is True or wanted is False):
        holds = _equals(left, wanted, names, general)
        return holds if operator == "=" else _not(holds)
    if operator == "!=":
        return None
    one, other = (_scalar(side, names, general) for side in (left, right))
    if one is not None and other is not None:
        return _scalars(operator, one, other, general(node, names))
    if operator == "=":
        return None
    return _comparison(operator, values(left, names, general), values(right, names, general))


def test(criterion: Node, names: Names, general: General) -> Test:
    """Return whether an item makes `criterion` true; a criterion that is empty does not."""
    among = _among(criterion)
    if among is not None and plain(among[0], names):
        return _one_of(*among)
    match criterion:
        case Binary("or", left, right):
            one, other = test(left, names, general), test(right, names, general)
            return lambda item, around: one(item, around) or other(item, around)
        case Binary("and", left, right):
            one, other = test(left, names, general), test(right, names, general)
            return lambda item, around: one(item, around) and other(item, around)
        case _:
            holds = compile(criterion, names, general)
            return lambda item, around: holds(item, around) is True


def _among(criterion: Node) -> tuple[str, frozenset[str]] | None:
    """Return the member and the texts of `name = 'a' or name = 'b' …`; None for what is said otherwise."""
    match criterion:
        case Binary("=", Member(name), Literal(str(text))) if not functions.timed(text):
            return name, frozenset({text})
        case Binary("or", left, right):
            one, other = _among(left), _among(right)
            return (one[0], one[1] | other[1]) if one and other and one[0] == other[0] else None
        case _:
            return None


def _one_of(name: str, texts: frozenset[str]) -> Test:
    """Return whether member `name` of an item is one of `texts`."""

    def among(item: Any, around: Around) -> bool:
        value = item.get(name) if type(item) is dict else None
        if type(value) is list and len(value) == 1:
            value = value[0]
        return type(value) is str and value in texts

    return among


def values(node: Node, names: Names, general: General) -> Callable[[Any, Around], Values]:
    """Return the collection that `node` leads to from one item."""
    match node:
        case Call("where", (criterion,)):
            keep = test(criterion, names, general)
            return lambda item, around: [item] if keep(item, around) else EMPTY
        case Step(source, Call("where", (criterion,))):
            return _filtered(values(source, names, general), criterion, names, general)
        case Step(source, Call("resolve", ())):
            links = values(source, names, general)
            return lambda item, around: (
                calls.resolve(found, [item], around) if (found := links(item, around)) else EMPTY
            )
        case Member(name) if plain(name, names):
            return _member(name, general(node, names))
        case Step(source, Member() as then) if then not in WITH_EXTRAS:
            before, child = values(source, names, general), general(then, names)
            return lambda item, around: child(found, around) if (found := before(item, around)) else EMPTY
        case _:
            evaluate = general(node, names)
            return lambda item, around: evaluate([item], around)


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
        case Binary("=", Member(name), Literal(str(text))) if plain(name, names) and not functions.timed(text):
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
    match name, arguments:
        case "exists", (criterion,):
            return _any(source, criterion, names, general)
        case "exists" | "empty", ():
            there = _there(source, names, general)
            return there if name == "exists" else lambda item, around: not there(item, around)
        case "all", (criterion,):
            found = values(source, names, general)
            holds = test(criterion, names, general)
            return lambda item, around: all(holds(one, around) for one in found(item, around))
        case _:
            evaluate = general(Step(source, Call(name, arguments)), names)
            return lambda item, around: logical(evaluate([item], around))


def _there(source: Node, names: Names, general: General) -> Test:
    """Return whether `source` leads to anything."""
    match source:
        case Call("where", (criterion,)):
            return test(criterion, names, general)
        case Step(before, Call("where", (criterion,))):
            return _any(before, criterion, names, general)
        case Member(name) if plain(name, names):
            return _has(name, general(source, names))
        case _:
            found = values(source, names, general)
            return lambda item, around: bool(found(item, around))


def _has(name: str, every: Evaluate) -> Test:
    def has(item: Any, around: Around) -> bool:
        value = item.get(name) if type(item) is dict else None
        return True if type(value) in PRESENT else bool(every([item], around))

    return has


def _any(source: Node, criterion: Node, names: Names, general: General) -> Test:
    """Return whether something that `source` leads to makes `criterion` true."""
    found, holds = values(source, names, general), test(criterion, names, general)

    return lambda item, around: any(holds(one, around) for one in found(item, around))


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

    if not isinstance(left, Member) or not plain(left.name, names):
        return equals
    name, kind = left.name, type(wanted)

    def member(item: Any, around: Around) -> bool | None:
        value = item.get(name) if type(item) is dict else None
        return value == wanted if type(value) is kind else equals(item, around)

    return member


def _scalar(node: Node, names: Names, general: General) -> Scalar | None:
    return scalars.compile(node, names, lambda condition: compile(condition, names, general))


def _scalars(operator: str, one: Scalar, other: Scalar, general: Evaluate) -> Truth:
    """Compile the comparison of two single values; `general` is asked where they are none."""
    wanted = calls.ORDERS.get(operator, ())

    def compares(item: Any, around: Around) -> bool | None:
        left, right = one(item, around), other(item, around)
        if left is UNSURE or right is UNSURE:
            return logical(general([item], around))
        if left is None or right is None:
            return None
        if operator == "=":
            return functions.equal([left], [right])
        found = functions.order([left], [right])
        return None if found is None else found in wanted

    return compares


def _comparison(operator: str, one: Callable[[Any, Around], Values], other: Callable[[Any, Around], Values]) -> Truth:
    wanted = calls.ORDERS[operator]

    def compares(item: Any, around: Around) -> bool | None:
        found = functions.order(one(item, around), other(item, around))
        return None if found is None else found in wanted

    return compares


def _textual(name: str, part: str, found: Scalar | None, general: Evaluate) -> Truth:
    """Compile `contains`, `matches` and their like of one text; `general` has refused what is no regular expression."""
    if found is None:
        return lambda item, around: logical(general([item], around))
    says, value_of = TEXTUAL[name](part), found

    def holds(item: Any, around: Around) -> bool | None:
        value = value_of(item, around)
        if type(value) is str:
            return says(value)
        return logical(general([item], around)) if value is UNSURE else None

    return holds


def _search(pattern: str) -> Callable[[str], bool]:
    search = functions.anchored(pattern)
    return lambda text: search(text) is not None


def _iif(condition: Truth, then: Truth, otherwise: Truth) -> Truth:
    return lambda item, around: then(item, around) if condition(item, around) is True else otherwise(item, around)
