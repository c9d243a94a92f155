"""The one value that an expression leads to, without collections around it: what comparisons are mostly made of.

https://hl7.org/fhirpath/N1/#conversion · https://hl7.org/fhirpath/N1/#math

Each shape is written so that it yields what the general closures of `evaluation` yield, or says that it cannot tell: an
element that repeats, a value that is no text, whole number or boolean.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from fhir_server.fhirpath import conversions, functions
from fhir_server.fhirpath.code import Code
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Binary, Call, Literal, Member, Node, Step, This, Variable

TYPES: Final = frozenset({str, int, bool})
ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "div", "mod"})
WHOLE: Final = frozenset({"+", "-", "*"})  # whole numbers have a whole result
PLAIN: Final = {
    "toString": conversions.PLAIN["toString"],
    "toInteger": conversions.PLAIN["toInteger"],
    "length": functions.PLAIN["length"],
}


class Ways(NamedTuple):
    """What is done where an expression does not have one value; what follows is passed over."""

    empty: tuple[str, ...]  # statements: there is no value
    unsure: tuple[str, ...]  # the shape does not fit what was met


class Value(NamedTuple):
    """A variable that holds the value, and the type that it certainly has."""

    name: str
    kind: type | None = None


Scalar = Callable[[Code, str, Ways], Value]  # writes how the value of the item is found
Condition = Callable[[Code, str], str]  # writes how a truth value is found, and returns where it is


def compile(node: Node, names: Names, holds: Callable[[Node], Condition]) -> Scalar | None:
    """Return what writes the one value of `node`, None when its shape is not known; `holds` compiles conditions."""
    match node:
        case Literal(str() | int() | bool() as value):
            return lambda code, item, ways: Value(code.literal(value), type(value))
        case This():
            return _this
        case Member(name) if plain(name, names):
            return lambda code, item, ways: _child(code, item, name, ways)
        case Member(name) if name not in names.resources:  # `value`, which is no choice everywhere
            return lambda code, item, ways: _child(code, item, name, ways._replace(empty=ways.unsure))
        case Step(Variable("resource"), Member(name)) if plain(name, names):
            return lambda code, item, ways: _child(code, "around.resource", name, ways)
        case Step(Member(name), Call("ofType" | "as", (Member(kind),))) if name in names.choices:
            return _chosen([key for key, type in names.choices[name].items() if type == kind])
        case Call("today", ()):
            return _today
        case Step(source, Call() as then):
            return _called(compile(source, names, holds), then)
        case Call("substring"):
            return _called(_this, node)
        case Call("iif", (condition, then, otherwise)):
            return _either(holds(condition), compile(then, names, holds), compile(otherwise, names, holds))
        case Binary(operator, left, right) if operator in ARITHMETIC:
            return _arithmetic(operator, compile(left, names, holds), compile(right, names, holds), right)
        case _:
            return None


def plain(name: str, names: Names) -> bool:
    """Return whether a member has one name in JSON, and is no type at the beginning of a path."""
    return name not in names.choices and name not in names.resources


def _this(code: Code, item: str, ways: Ways) -> Value:
    with code.block(f"if type({item}) not in {code.constant(TYPES)}:"):
        code.line(*ways.unsure)
    return Value(item)


def _today(code: Code, item: str, ways: Ways) -> Value:
    day = code.name()
    code.line(f"{day} = around.today")
    with code.block(f"if {day} is None:"):
        code.line(*ways.empty)
    return Value(day, str)


def _child(code: Code, item: str, name: str, ways: Ways) -> Value:
    found = code.name()
    code.line(f"{found} = {item}.get({code.constant(name)}) if type({item}) is dict else ()")
    with code.block(f"if type({found}) not in {code.constant(TYPES)}:"):
        with code.block(f"if {found} is None and {code.constant('_' + name)} not in {item}:"):
            code.line(*ways.empty)
        code.line(*ways.unsure)
    return Value(found)


def _chosen(properties: list[str]) -> Scalar | None:
    """Compile a choice of one type, which has one property."""
    if len(properties) != 1:
        return None
    (name,) = properties
    return lambda code, item, ways: _child(code, item, name, ways)


def _called(found: Scalar | None, function: Call) -> Scalar | None:
    """Compile a function of one value; None where `found` or the function is not known here."""
    if found is None:
        return None
    match function:
        case Call("substring", (Literal(int(start)), Literal(int(length)))):
            return _substring(found, start, length)
        case Call("toInteger", ()):
            return _to_integer(found)
        case Call(name, ()) if name in PLAIN:
            return _converted(found, name)
        case _:
            return None


def _substring(found: Scalar, start: int, length: int) -> Scalar:
    def write(code: Code, item: str, ways: Ways) -> Value:
        text, part = found(code, item, ways), code.name()
        fits = (
            f"0 <= {start} < len({text.name})"
            if text.kind is str
            else f"type({text.name}) is str and 0 <= {start} < len({text.name})"
        )
        with code.block(f"if not ({fits}):"):
            code.line(*ways.empty)
        code.line(f"{part} = {text.name}[{start}:{start + max(length, 0)}]")
        return Value(part, str)

    return write


def _to_integer(found: Scalar) -> Scalar:
    def write(code: Code, item: str, ways: Ways) -> Value:
        text, number = found(code, item, ways), code.name()
        digits = f"len({text.name}) < 18 and {text.name}.isascii() and {text.name}.isdigit()"
        with code.block(f"if {digits}:" if text.kind is str else f"if type({text.name}) is str and {digits}:"):
            code.line(f"{number} = int({text.name})")
        with code.block("else:"):
            _only(code, number, f"{code.constant(functions.to_integer)}({text.name})", ways)
        return Value(number, int)

    return write


def _converted(found: Scalar, name: str) -> Scalar:
    def write(code: Code, item: str, ways: Ways) -> Value:
        value = found(code, item, ways)
        if name == "toString" and value.kind is str:
            return value
        converted = code.name()
        if name == "length" and value.kind is str:
            code.line(f"{converted} = len({value.name})")
            return Value(converted, int)
        if name == "toString":
            with code.block(f"if type({value.name}) is str:"):
                code.line(f"{converted} = {value.name}")
            with code.block("else:"):
                _only(code, converted, f"{code.constant(PLAIN[name])}([{value.name}])", ways)
            return Value(converted, str)
        _only(code, converted, f"{code.constant(PLAIN[name])}([{value.name}])", ways)
        return Value(converted, int)

    return write


def _only(code: Code, name: str, values: str, ways: Ways) -> None:
    """Let `name` be the one value of the collection `values`."""
    code.line(f"{name} = {values}")
    with code.block(f"if not {name}:"):
        code.line(*ways.empty)
    code.line(f"{name} = {name}[0]")


def _either(holds: Condition, one: Scalar | None, other: Scalar | None) -> Scalar | None:
    if one is None or other is None:
        return None

    def write(code: Code, item: str, ways: Ways) -> Value:
        found, kinds = code.name(), set()
        condition = holds(code, item)
        for head, scalar in ((f"if {condition} is True:", one), ("else:", other)):
            with code.block(head):
                value = scalar(code, item, ways)
                code.line(f"{found} = {value.name}")
                kinds.add(value.kind)
        return Value(found, kinds.pop() if len(kinds) == 1 else None)

    return write


def _arithmetic(operator: str, one: Scalar | None, other: Scalar | None, right: Node) -> Scalar | None:
    if one is None or other is None:
        return None
    # By a whole number above zero, of one that is not below.
    divided = {"div": "//", "mod": "%"}.get(operator) if isinstance(right, Literal) and _positive(right.value) else None

    def write(code: Code, item: str, ways: Ways) -> Value:
        left, right, found = one(code, item, ways), other(code, item, ways), code.name()
        both = {left.kind, right.kind} == {int}
        if both and operator in WHOLE:
            code.line(f"{found} = {left.name} {operator} {right.name}")
            return Value(found, int)
        general = f"{code.constant(functions.arithmetic)}({operator!r}, [{left.name}], [{right.name}])"
        if not (both and divided):
            _only(code, found, general, ways)
            return Value(found)
        code.line(f"{found} = {left.name} {divided} {right.name} if {left.name} >= 0 else {general}[0]")
        return Value(found, int)

    return write


def _positive(value: Any) -> bool:
    return type(value) is int and value > 0
