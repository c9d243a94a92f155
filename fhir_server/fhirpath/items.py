"""The items that an expression leads to from one item, as loops within loops.

https://hl7.org/fhirpath/N1/#path-selection · https://hl7.org/fhirpath/N1/#filtering-and-projection

What is met in the usual way is taken as it is; whatever else, and every other expression, goes to the general closures.
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.fhirpath import calls, functions
from fhir_server.fhirpath.calls import Evaluate
from fhir_server.fhirpath.code import Code
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Binary, Call, Member, Node, Step, This, Variable

General = Callable[[Node, Names], Evaluate]  # the compiler of everything
Body = Callable[[str], None]  # writes what is done with an item, which is in that variable

PRESENT: Final = frozenset({bool, dict, int, str})  # types of what is there
BESIDE: Final = (Member("extension"), Member("id"))  # of a primitive they lie beside it


class Items:
    """Writes loops into `code`; `test` writes whether an item meets a criterion, and returns the condition."""

    def __init__(self, code: Code, names: Names, general: General, test: Callable[[Node, str], str]):
        self._code = code
        self._names = names
        self._general = general
        self._test = test

    def collected(self, node: Node, item: str) -> str:
        """Write the collection that `node` leads to."""
        code, every = self._code, self._code.name()
        code.line(f"{every} = []")
        self.each(node, item, lambda one: code.line(f"{every}.append({one})"), None)
        return every

    def each(self, node: Node, item: str, body: Body, enough: str | None) -> None:
        """Write `body` for each item that `node` leads to; after those within others, `enough` asks whether to end."""
        match node:
            case This():
                body(item)
            case Call("where", (criterion,)):
                with self._code.block(f"if {self._test(criterion, item)}:"):
                    body(item)
            case Step(source, Call("where", (criterion,))):
                self.each(source, item, lambda one: self.each(Call("where", (criterion,)), one, body, enough), enough)
            case Step(Variable("resource"), Member(name) as then) if name not in self._names.resources:
                self._children(then, "around.resource", body, enough)
            case Member(name) if name not in self._names.resources:
                self._children(node, item, body, enough)
            case Step(source, Member(name) as then) if name not in self._names.resources and not _beside(node):
                self.each(source, item, lambda one: self._children(then, one, body, enough), enough)
            case Step(Member(name), Call("ofType" | "as", (Member(kind),))) if name in self._names.choices:
                chosen = [key for key, type in self._names.choices[name].items() if type == kind]
                self._property(chosen[0] if len(chosen) == 1 else None, node, item, body, enough)
            case Binary("&", left, right):
                sides = f"{self.collected(left, item)}, {self.collected(right, item)}"
                text = self._code.name()
                self._code.line(f"{text} = {self._code.constant(functions.concatenated)}({sides})")
                body(text)
            case Step(source, Call("resolve", ())):
                links = self.collected(source, item)
                resolve = f"{self._code.constant(calls.resolve)}({links}, [{item}], around)"
                self._loop(f"{resolve} if {links} else ()", body, enough)
            case _:
                self._loop(f"{self._found(node)}([{item}], around)", body, enough)

    def _found(self, node: Node) -> str:
        return self._code.constant(self._general(node, self._names))

    def _loop(self, values: str, body: Body, enough: str | None) -> None:
        one = self._code.name()
        with self._code.block(f"for {one} in {values}:"):
            body(one)
        if enough is not None:
            with self._code.block(enough):
                self._code.line("break")

    def _children(self, member: Member, item: str, body: Body, enough: str | None) -> None:
        """Write the step to a child, of whatever number."""
        if member.name not in self._names.choices:
            self._property(member.name, member, item, body, enough)
            return
        code, every = self._code, self._code.name()
        given = code.constant(member.name), code.constant(frozenset(self._names.choices[member.name]))
        code.line(f"{every} = {code.constant(_choice)}({item}, {', '.join(given)})")
        with code.block(f"if {every} is None:"):
            code.line(f"{every} = {self._found(member)}([{item}], around)")
        self._loop(every, body, enough)

    def _property(self, name: str | None, node: Node, item: str, body: Body, enough: str | None) -> None:
        """Write the step of `node` to what property `name` holds."""
        slow = f"{self._found(node)}([{item}], around)"
        if name is None:
            self._loop(slow, body, enough)
            return
        code, value, kind, every = self._code, *(self._code.name() for _ in range(3))
        code.line(f"{value} = {item}.get({code.constant(name)}) if type({item}) is dict else ()")
        code.line(f"{kind} = type({value})")
        with code.block(f"if {kind} in {code.constant(PRESENT)}:"):
            code.line(f"{every} = ({value},)")
        if isinstance(node, Member):  # a choice does not repeat
            with code.block(f"elif {kind} is list and None not in {value}:"):
                code.line(f"{every} = {value}")
        with code.block(f"elif {value} is None and {code.constant('_' + name)} not in {item}:"):
            code.line(f"{every} = ()")
        with code.block("else:"):
            code.line(f"{every} = {slow}")
        self._loop(every, body, enough)


def _choice(item: Any, name: str, properties: frozenset[str]) -> tuple[Any, ...] | None:
    """Return the value of a choice, or of a member of the same name, as an object usually has it; None: look closer."""
    if type(item) is not dict:
        return None
    if name in item:
        return (item[name],) if type(item[name]) in PRESENT else None
    if len(item) > 4:
        return None
    found: tuple[Any, ...] = ()
    for name, value in item.items():
        if name in properties:
            if found or type(value) not in PRESENT:
                return None
            found = (value,)
        elif name[0] == "_":
            return None
    return found


def _beside(node: Step) -> bool:
    """Return whether `node` may lead from a primitive to what lies beside it."""
    return node.then in BESIDE and (
        isinstance(node.source, Member) or (isinstance(node.source, Step) and isinstance(node.source.then, Member))
    )
