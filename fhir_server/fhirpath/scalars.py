"""The one value that an expression leads to, without collections around it: what comparisons are mostly made of.

https://hl7.org/fhirpath/N1/#conversion · https://hl7.org/fhirpath/N1/#math

Each shape yields what the general closures of `evaluation` yield, or says that it cannot tell (UNSURE): an element that
repeats, a value that is no text, whole number or boolean.
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.fhirpath import conversions, functions
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Truth
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Binary, Call, Literal, Member, Node, Step, This, Variable

Scalar = Callable[[Any, Around], Any]  # of one item; None: there is no value

UNSURE: Final = object()
TYPES: Final = frozenset({str, int, bool})
ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "div", "mod"})
PLAIN: Final = {
    "toString": conversions.PLAIN["toString"],
    "toInteger": conversions.PLAIN["toInteger"],
    "length": functions.PLAIN["length"],
}


def compile(node: Node, names: Names, holds: Callable[[Node], Truth]) -> Scalar | None:
    """Return the function to the one value of `node`, None when its shape is not known; `holds` compiles conditions."""
    match node:
        case Literal(value) if type(value) in TYPES:
            return lambda item, around: value
        case This():
            return lambda item, around: item if type(item) in TYPES else UNSURE
        case Member(name) if plain(name, names):
            return lambda item, around: _child(item, name)
        case Step(Variable("resource"), Member(name)) if plain(name, names):
            return lambda item, around: _child(around.resource, name)
        case Step(Member(name), Call("ofType" | "as", (Member(kind),))) if name in names.choices:
            return _chosen([key for key, type in names.choices[name].items() if type == kind])
        case Step(source, Call() as then):
            return _called(compile(source, names, holds), then)
        case Call("substring"):
            return _called(compile(This(), names, holds), node)
        case Call("iif", (condition, then, otherwise)):
            return _either(holds(condition), compile(then, names, holds), compile(otherwise, names, holds))
        case Binary(operator, left, right) if operator in ARITHMETIC:
            return _arithmetic(operator, compile(left, names, holds), compile(right, names, holds))
        case _:
            return None


def plain(name: str, names: Names) -> bool:
    """Return whether a member has one name in JSON, and is no type at the beginning of a path."""
    return name not in names.choices and name not in names.resources


def _child(item: Any, name: str) -> Any:
    if type(item) is not dict:
        return UNSURE
    value = item.get(name)
    if type(value) in TYPES:
        return value
    return None if value is None and "_" + name not in item else UNSURE


def _chosen(properties: list[str]) -> Scalar | None:
    """Compile a choice of one type, which has one property."""
    if len(properties) != 1:
        return None
    (name,) = properties
    return lambda item, around: UNSURE if type(item) is dict and item.get(name, "") is None else _child(item, name)


def _called(found: Scalar | None, function: Call) -> Scalar | None:
    """Compile a function of one value; None where `found` or the function is not known here."""
    match function:
        case Call(name, ()) if name in PLAIN:
            return _then(found, lambda value: _only(PLAIN[name]([value])))
        case Call("substring", (Literal(int(start)), Literal(int(length)))):
            return _then(found, lambda value: _substring(value, start, length))
        case _:
            return None


def _then(found: Scalar | None, then: Callable[[Any], Any]) -> Scalar | None:
    if found is None:
        return None

    def evaluate(item: Any, around: Around) -> Any:
        value = found(item, around)
        return value if value is None or value is UNSURE else then(value)

    return evaluate


def _only(values: functions.Values) -> Any:
    return values[0] if values else None


def _substring(value: Any, start: int, length: int) -> Any:
    return value[start : start + max(length, 0)] if type(value) is str and 0 <= start < len(value) else None


def _either(holds: Truth, one: Scalar | None, other: Scalar | None) -> Scalar | None:
    if one is None or other is None:
        return None
    return lambda item, around: one(item, around) if holds(item, around) is True else other(item, around)


def _arithmetic(operator: str, one: Scalar | None, other: Scalar | None) -> Scalar | None:
    if one is None or other is None:
        return None
    whole = functions.WHOLE.get(operator)

    def evaluate(item: Any, around: Around) -> Any:
        left, right = one(item, around), other(item, around)
        if type(left) is int and type(right) is int and whole is not None:
            return whole(left, right)
        if left is UNSURE or right is UNSURE:
            return UNSURE
        if left is None or right is None:
            return None
        return _only(functions.arithmetic(operator, [left], [right]))

    return evaluate
