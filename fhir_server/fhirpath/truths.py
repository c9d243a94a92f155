"""Whether an expression holds of one item: the usual shapes of constraints, written as one function.

https://hl7.org/fhirpath/N1/#boolean-logic · https://hl7.org/fhirpath/N1/#filtering-and-projection

Each shape yields what the general closures of `evaluation` yield; every other shape, and every item that does not fit
one, is left to them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from fhir_server.fhirpath import calls, functions, patterns, scalars
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Truth
from fhir_server.fhirpath.code import Code, TooDeep
from fhir_server.fhirpath.functions import Bare, logical
from fhir_server.fhirpath.items import PRESENT, General, Items
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.scalars import Scalar, Value, Ways, plain
from fhir_server.fhirpath.syntax import Binary, Call, Literal, Member, Node, Step, This

# Functions of a text and a constant one → the condition, of the text and of what is made of the constant
TEXTUAL: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "contains": ("{part} in {text}", str),
    "startsWith": ("{text}.startswith({part})", str),
    "endsWith": ("{text}.endswith({part})", str),
    "matches": ("{part}({text}) is not None", patterns.finding),
}
COMPARISONS: Final = frozenset({"=", "!=", *calls.ORDERS})


class Truth3(NamedTuple):
    """A variable that holds true, false or, when it is not `sure`, None."""

    name: str
    sure: bool = False


def compile(node: Node, names: Names, general: General) -> Truth:
    """Return the truth value of `node` on an item, as `logical` of its collection; raise Unsupported as `general`."""
    writer = _Writer(names, general)
    try:
        return writer.code.function(writer.truth(node, "item").name)
    except TooDeep:
        evaluate = general(node, names)
        return lambda item, around: logical(evaluate([item], around))


class _Writer:
    """Writes one function."""

    def __init__(self, names: Names, general: General):
        self.code = Code()
        self._names = names
        self._general = general
        self._items = Items(self.code, names, general, self.test)

    def truth(self, node: Node, item: str) -> Truth3:
        """Write how the truth value of `node` on `item` is found."""
        match node:
            case Binary("and" | "or" | "implies" as operator, left, right):
                return self._connective(operator, left, right, item)
            case Binary(operator) if operator in COMPARISONS:
                return self._comparison(node, item)
            case Literal(bool() as value):
                return Truth3(str(value), True)
            case Call("iif", (condition, then, otherwise)):
                return self._iif(condition, then, otherwise, item)
            case Call(name, (Literal(str(part)),)) if name in TEXTUAL:
                return self._textual(node, This(), name, part, item)
            case Step(source, Call(name, (Literal(str(part)),))) if name in TEXTUAL:
                return self._textual(node, source, name, part, item)
            case Step(source, Call("not", ())):
                return self._not(self.truth(source, item))
            case Step(source, Call("hasValue", ())) if (single := self._scalar(source)) is not None:
                return self._has_value(node, single, item)
            case Step(source, Call("exists" | "empty" | "all" as name, arguments)) if len(arguments) <= 1:
                return self._some(name, source, arguments, item)
            case _:
                return self._left(node, item)

    def _left(self, node: Node, item: str) -> Truth3:
        """Leave `node` to the general closures."""
        found = self.code.name()
        self.code.line(f"{found} = {self._slow(node)}({item}, around)")
        return Truth3(found)

    def _slow(self, node: Node) -> str:
        evaluate = self._general(node, self._names)

        def slow(item: Any, around: Around) -> bool | None:
            return logical(evaluate([item], around))

        return self.code.constant(slow)

    def _not(self, truth: Truth3) -> Truth3:
        found = self.code.name()
        negation = f"not {truth.name}"
        self.code.line(f"{found} = {negation if truth.sure else f'None if {truth.name} is None else {negation}'}")
        return Truth3(found, truth.sure)

    def _connective(self, operator: str, left: Node, right: Node, item: str) -> Truth3:
        """Write three-valued logic (§6.5); the right side is not evaluated when the left one decides."""
        code, found = self.code, self.code.name()
        decides, result = {"and": ("False", "False"), "or": ("True", "True"), "implies": ("False", "True")}[operator]
        one = self.truth(left, item)
        with code.block(f"if {one.name} is {decides}:"):
            code.line(f"{found} = {result}")
        with code.block("else:"):
            other = self.truth(right, item)
            if one.sure:
                code.line(f"{found} = {other.name}")
            else:
                open = "None" if operator == "and" else "False"
                neither = f"{one.name} is None" if other.sure else f"{one.name} is None or {other.name} is None"
                rest = {"and": "True", "or": open, "implies": open}[operator]
                code.line(f"{found} = {result} if {other.name} is {result} else None if {neither} else {rest}")
        return Truth3(found, one.sure and other.sure)

    def _iif(self, condition: Node, then: Node, otherwise: Node, item: str) -> Truth3:
        code, found = self.code, self.code.name()
        holds = self.truth(condition, item).name
        sure = True
        for head, node in ((f"if {holds} is True:", then), ("else:", otherwise)):
            with code.block(head):
                truth = self.truth(node, item)
                code.line(f"{found} = {truth.name}")
                sure &= truth.sure
        return Truth3(found, sure)

    def _scalar(self, node: Node) -> Scalar | None:
        def holds(condition: Node) -> Callable[[Code, str], str]:
            return lambda code, item: self.truth(condition, item).name

        return scalars.compile(node, self._names, holds)

    def _single(self, node: Node, item: str, write: Callable[[str, Ways], None]) -> Truth3:
        """Write what needs single values, between the ways out of it."""
        code, found = self.code, self.code.name()
        with code.block("while True:"):  # once
            slow = (f"{found} = {self._slow(node)}({item}, around)", "break")
            write(found, Ways((f"{found} = None", "break"), slow))
            code.line("break")
        return Truth3(found)

    def _textual(self, node: Node, source: Node, name: str, part: str, item: str) -> Truth3:
        """Write `contains`, `matches` and their like of one text; `general` has refused what is no expression."""
        scalar = self._scalar(source)
        if scalar is None:
            return self._left(node, item)
        found_in: Scalar = scalar
        condition, made = TEXTUAL[name]

        def write(found: str, ways: Ways) -> None:
            text = found_in(self.code, item, ways).name
            told = condition.format(part=self.code.constant(made(part)), text=text)
            self.code.line(f"{found} = {told} if type({text}) is str else None")

        self._general(node, self._names)  # before anything is made of the constant
        return self._single(node, item, write)

    def _has_value(self, node: Node, scalar: Scalar, item: str) -> Truth3:
        def write(found: str, ways: Ways) -> None:
            scalar(self.code, item, Ways((f"{found} = False", "break"), ways.unsure))
            self.code.line(f"{found} = True")

        return Truth3(self._single(node, item, write).name, True)

    def _comparison(self, node: Binary, item: str) -> Truth3:
        operator, left, right = node
        wanted = right.value if isinstance(right, Literal) else None
        moment = isinstance(wanted, str) and functions.TEMPORAL(wanted)  # which is written in several ways
        if operator in ("=", "!=") and not moment and (isinstance(wanted, str) or wanted is True or wanted is False):
            equal = self._equals(left, wanted, item)
            return equal if operator == "=" else self._not(equal)
        one, other = self._scalar(left), self._scalar(right)
        if operator == "!=" or (operator == "=" and (one is None or other is None)):
            return self._left(node, item)
        if one is None or other is None:
            found = self.code.name()
            sides = f"{self._items.collected(left, item)}, {self._items.collected(right, item)}"
            self._told(found, operator, f"{self.code.constant(functions.order)}({sides})")
            return Truth3(found)
        first, second = one, other

        def write(found: str, ways: Ways) -> None:
            sides = first(self.code, item, ways), second(self.code, item, ways)
            if operator == "=":
                self._same(found, *sides)
            else:
                self._ordered(found, operator, wanted, *sides)

        return self._single(node, item, write)

    def _same(self, found: str, one: Value, other: Value) -> None:
        left, right = one.name, other.name
        if one.kind is other.kind is int:
            self.code.line(f"{found} = {left} == {right}")
        else:
            self.code.line(f"{found} = {self.code.constant(functions.equal)}([{left}], [{right}])")

    def _ordered(self, found: str, operator: str, wanted: Any, one: Value, other: Value) -> None:
        code, left, right = self.code, one.name, other.name
        told = f"{left} {operator} {right}"
        if one.kind is other.kind is int:
            code.line(f"{found} = {told}")
            return
        as_texts = f"type({left}) is str is type({right})"
        if not (isinstance(wanted, str) and not functions.like_a_date(wanted)):
            as_texts += f" and len({left}) == len({right}) <= 10"  # dates of one precision
        with code.block(f"if {as_texts}:"):
            code.line(f"{found} = {told}")
        with code.block("else:"):
            self._told(found, operator, f"{code.constant(functions.compared)}({left}, {right})")

    def _told(self, found: str, operator: str, order: str) -> None:
        """Write what `order`, which yields -1, 0, 1 or None, says to `operator`."""
        self.code.line(f"{found} = {order}")
        self.code.line(
            f"{found} = None if {found} is None else {found} in {self.code.constant(calls.ORDERS[operator])}"
        )

    def _equals(self, left: Node, wanted: str | bool, item: str) -> Truth3:
        """Write `path = 'text'` and `path = true`."""
        code, text = self.code, self.code.literal(wanted)
        kind = type(wanted).__name__
        scalar = self._scalar(left)
        if scalar is None:
            return self._equals_all(left, wanted, item)
        single: Scalar = scalar

        def write(found: str, ways: Ways) -> None:
            value = single(code, item, ways)
            if value.kind is None:
                with code.block(f"if type({value.name}) is not {kind}:"):
                    code.line(*ways.unsure)
            code.line(f"{found} = {value.name} == {text}")

        return self._single(Binary("=", left, Literal(wanted)), item, write)

    def _equals_all(self, left: Node, wanted: str | bool, item: str) -> Truth3:
        code, found = self.code, self.code.name()
        every = self._items.collected(left, item)
        if isinstance(wanted, bool):
            code.line(f"{found} = {code.constant(functions.equal)}({every}, [{wanted}])")
        else:
            nothing = f"not {every} or type({every}[0]) is {code.constant(Bare)}"
            code.line(f"{found} = None if {nothing} else {every} == [{code.constant(wanted)}]")
        return Truth3(found)

    def _some(self, name: str, source: Node, arguments: tuple[Node, ...], item: str) -> Truth3:
        """Write `exists()`, `exists(criterion)`, `empty()` and `all(criterion)`."""
        if name == "empty" and arguments:
            return self._left(Step(source, Call(name, arguments)), item)
        code, found = self.code, self.code.name()
        if not arguments and isinstance(source, Member) and plain(source.name, self._names):
            return self._there(source, name, item)
        if name == "all" and not arguments:
            return self._left(Step(source, Call(name, arguments)), item)
        decided = name != "exists"  # what is found until the deciding item comes
        code.line(f"{found} = {decided}")

        def decide(one: str) -> None:
            decisive = (f"{found} = {not decided}", "break")
            if not arguments:
                code.line(*decisive)
                return
            with code.block(f"if {'not ' if name == 'all' else ''}{self.test(arguments[0], one)}:"):
                code.line(*decisive)

        with code.block("while True:"):  # once
            self._items.each(source, item, decide, f"if {'not ' if decided else ''}{found}:")
            code.line("break")
        return Truth3(found, True)

    def _there(self, source: Member, name: str, item: str) -> Truth3:
        code, found = self.code, self.code.name()
        code.line(f"{found} = {item}.get({code.constant(source.name)}) if type({item}) is dict else ()")
        several = f"type({found}) is list and {found} and {found}[0] is not None"
        with code.block(f"if type({found}) in {code.constant(PRESENT)} or ({several}):"):
            code.line(f"{found} = {name == 'exists'}")
        with code.block(f"elif {found} is None and {code.constant('_' + source.name)} not in {item}:"):
            code.line(f"{found} = {name != 'exists'}")
        with code.block("else:"):
            code.line(f"{found} = {self._slow(Step(source, Call(name, ())))}({item}, around)")
        return Truth3(found, True)

    def test(self, criterion: Node, item: str) -> str:
        """Write whether `criterion` is true of `item`; empty is not."""
        among = _among(criterion)
        if among is not None and plain(among[0], self._names):
            return self._one_of(*among, item)
        code = self.code
        match criterion:
            case Binary("or" | "and" as operator, left, right):
                found = code.name()
                code.line(f"{found} = {self.test(left, item)}")
                with code.block(f"if {'not ' if operator == 'or' else ''}{found}:"):
                    code.line(f"{found} = {self.test(right, item)}")
                return found
            case _:
                truth = self.truth(criterion, item)
                return truth.name if truth.sure else f"({truth.name} is True)"

    def _one_of(self, name: str, texts: frozenset[str], item: str) -> str:
        """Write whether member `name` of `item` is one of `texts`."""
        code, value = self.code, self.code.name()
        code.line(f"{value} = {item}.get({code.constant(name)}) if type({item}) is dict else None")
        with code.block(f"if type({value}) is list:"):
            code.line(f"{value} = {code.constant(_only)}({value})")
        told = f"== {code.constant(*texts)}" if len(texts) == 1 else f"in {code.constant(texts)}"
        return f"(type({value}) is str and {value} {told})"


def _only(values: list[Any]) -> Any:
    """Return the one value that there is, else None."""
    given = [value for value in values if value is not None]
    return given[0] if len(given) == 1 else None


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
