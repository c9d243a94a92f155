"""Search parameter expressions, compiled against the definitions to closures over JSON.

An expression becomes branches, one for each FHIR type that it can yield: the type of every value is known before a
resource is seen, so that the caller chooses once what to do with it.

https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression · https://hl7.org/fhirpath/N1/
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, model
from fhir_server.fhirpath.syntax import (
    Binary,
    Call,
    Index,
    Literal,
    Member,
    Negative,
    Node,
    Step,
    This,
    Typed,
    Unsupported,
    Variable,
    parse,
    type_name,
)

__all__ = ["Branch", "Unsupported", "compile"]

Json = dict[str, Any]
Values = Sequence[Any]
Evaluate = Callable[[Values], Values]

NONE: Values = ()
LITERAL_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
# R4 writes one type name with a capital: Observation's code-value-date has `value.as(DateTime)`.
MISPRINTS = {"DateTime": "dateTime"}


class Into(NamedTuple):
    """A step to the member `name` of every item."""

    name: str


@dataclass(frozen=True, slots=True)
class Branch:
    """The values of one FHIR type that an expression yields."""

    type: str  # "Coding", "date", "BackboneElement", "Patient"
    path: str  # of the element in the definitions: "HumanName.given"
    targets: tuple[str, ...]  # of a Reference: the resource types that the definition lets it point at; (): any
    steps: tuple[Into | Evaluate, ...] = ()
    member: model.Member | None = None  # None: the focus itself
    single: bool = True  # a focus has at most one such value

    @property
    def head(self) -> str | None:
        """The member of the resource in which every value lies; None when it takes the whole resource to know."""
        first = self.steps[0] if self.steps else None
        return first.name if isinstance(first, Into) else None

    def get(self) -> Evaluate:
        """Return the closure that maps a list of focus items to the values of this branch."""
        return _chain(self.steps)

    def tail(self) -> Evaluate:
        """Return the closure that maps the values of the member `head` to those of this branch."""
        return _chain(self.steps[1:])


def compile(definitions: Definitions, focus: str | Branch, expression: str) -> tuple[Branch, ...]:
    """Compile `expression` for a resource type or for the values of `focus`; raise Unsupported, saying why.

    Compiled for a branch, the result starts from one item of that branch.
    """
    compiler = _Compiler(definitions)
    root = replace(focus, steps=(), single=True) if isinstance(focus, Branch) else Branch(focus, focus, ())
    return tuple(compiler.branches(parse(expression), (root,), at_root=not isinstance(focus, Branch)))


@dataclass(frozen=True, slots=True)
class _Compiler:
    definitions: Definitions

    def branches(self, node: Node, inputs: Sequence[Branch], *, at_root: bool = False) -> list[Branch]:
        match node:
            case Member(name):
                return self._name(name, inputs, at_root=at_root)
            case Step(source, then):
                return self.branches(then, self.branches(source, inputs, at_root=at_root))
            case Binary("|", left, right):
                found = self.branches(left, inputs, at_root=at_root)
                return found + self.branches(right, inputs, at_root=at_root)
            case Typed("as", source, type):
                return _of_type(self.branches(source, inputs, at_root=at_root), type)
            case Index(source, Literal(int(position))) if not isinstance(position, bool):
                return [_with(branch, _item(position)) for branch in self.branches(source, inputs, at_root=at_root)]
            case Call(name, arguments):
                return self._call(name, arguments, inputs)
            case Binary():
                return self._boolean(node, inputs)
            case Index() | Literal() | Negative() | This() | Typed() | Variable():
                raise Unsupported("a search parameter yields elements, not this")

    def _name(self, name: str, inputs: Sequence[Branch], *, at_root: bool) -> list[Branch]:
        if at_root and self._names_root(name, inputs):
            return list(inputs)
        found = [child for branch in inputs for child in self._children(branch, name)]
        if not found:
            where = ", ".join(sorted({branch.path for branch in inputs})) or "nothing"
            raise Unsupported(f"{where} has no element '{name}'")
        return found

    def _names_root(self, name: str, inputs: Sequence[Branch]) -> bool:
        definition = self.definitions.type(inputs[0].type)
        while definition is not None:
            if definition.name == name:
                return True
            definition = self.definitions.type(definition.base) if definition.base else None
        return False

    def _children(self, branch: Branch, name: str) -> list[Branch]:
        members = self._members(branch)
        if name in members:
            return [self._child(branch, name, members[name])]
        choice = f"{name}[x]"
        return [self._child(branch, key, member) for key, member in members.items() if member.element.name == choice]

    def _members(self, branch: Branch) -> dict[str, model.Member]:
        if branch.member is not None and branch.member.type in {"BackboneElement", "Element"}:
            return dict(self.definitions.members(branch.member))
        definition = self.definitions.type(branch.type)
        return {} if definition is None else dict(definition.members)

    def _child(self, branch: Branch, name: str, member: model.Member) -> Branch:
        targets = next((kind.targets for kind in member.element.types if kind.code == member.type), ())
        single = branch.single and member.element.max == 1
        return Branch(member.type, member.element.path, targets, (*branch.steps, Into(name)), member, single)

    def _call(self, name: str, arguments: tuple[Node, ...], inputs: Sequence[Branch]) -> list[Branch]:
        match name, arguments:
            case "as" | "ofType", (type,):
                return _of_type(inputs, type_name(type))
            case "extension", (Literal(str(url)),):
                found = [child for branch in inputs for child in self._children(branch, "extension")]
                return [_with(branch, _where(lambda item: item.get("url") == url)) for branch in found]
            case "where", (criteria,):
                return [self._where(branch, criteria) for branch in inputs]
            case "first", ():
                return [_with(branch, _item(0)) for branch in inputs]
            case _:
                raise Unsupported(f"the function {name}() with {len(arguments)} arguments is not known")

    def _where(self, branch: Branch, criteria: Node) -> Branch:
        match criteria:
            case Typed("is", Call("resolve", ()), type):
                return replace(_with(branch, _where(lambda item: _refers_to(item, type))), targets=(type,))
            case Call("hasExtension", (Literal(str(url)),)):
                return _with(branch, _where(lambda item: any(e.get("url") == url for e in item.get("extension", ()))))
            case _:
                test = self._test(criteria, (replace(branch, steps=()),), at_root=False)
                return _with(branch, _where(lambda item: test([item]) is True))

    def _boolean(self, node: Node, inputs: Sequence[Branch]) -> list[Branch]:
        """Compile an expression that is true or false of the resource, such as `X.exists() and X != false`."""
        test = self._test(node, inputs, at_root=True)

        def evaluate(focus: Values) -> Values:
            result = test(focus)
            return NONE if result is None else (result,)

        return [Branch("boolean", inputs[0].path, (), (evaluate,))]

    def _test(self, node: Node, inputs: Sequence[Branch], *, at_root: bool) -> Callable[[Values], bool | None]:
        """Compile a criterion with FHIRPath's three values (§6.5): true, false, None for empty."""
        match node:
            case Binary("and", left, right):
                one, other = self._test(left, inputs, at_root=at_root), self._test(right, inputs, at_root=at_root)
                return lambda focus: _and(one(focus), other(focus))
            case Binary("=" | "!=" as operator, left, Literal(str() | int() as value)):
                get = _gather(self.branches(left, inputs, at_root=at_root))
                return lambda focus: _equal(get(focus), value, equal=operator == "=")
            case Step(source, Call("exists", ())):
                get = _gather(self.branches(source, inputs, at_root=at_root))
                return lambda focus: len(get(focus)) > 0
            case _:
                raise Unsupported("a criterion is none of `and`, `=` or `!=` with a literal, `exists()`")


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _equal(values: Values, wanted: str | int, *, equal: bool) -> bool | None:
    if not values:
        return None
    same = len(values) == 1 and type(values[0]) is type(wanted) and values[0] == wanted
    return same is equal


def _of_type(inputs: Sequence[Branch], type: str) -> list[Branch]:
    # R4 search parameters use `as` on whole collections; FHIRPath §6.3 expects one item and would raise.
    wanted = MISPRINTS.get(type, type)
    return [branch for branch in inputs if branch.type == wanted]


def _with(branch: Branch, step: Evaluate) -> Branch:
    return replace(branch, steps=(*branch.steps, step))


def _item(position: int) -> Evaluate:
    return lambda focus: focus[position : position + 1]


def _where(test: Callable[[Any], bool]) -> Evaluate:
    return lambda focus: [item for item in focus if isinstance(item, dict) and test(item)]


def _refers_to(reference: Json, type: str) -> bool:
    """True when a Reference says that it points at a resource of `type`, by its URL or by its element `type`."""
    literal = reference.get("reference")
    found = LITERAL_REFERENCE.search(literal) if isinstance(literal, str) else None
    return (found.group(1) if found else reference.get("type")) == type


def _gather(branches: Sequence[Branch]) -> Evaluate:
    gets = [branch.get() for branch in branches]
    return lambda focus: [value for get in gets for value in get(focus)]


def _chain(steps: Sequence[Into | Evaluate]) -> Evaluate:
    evaluate: Evaluate | None = None
    for step in steps:
        action = _member(step.name) if isinstance(step, Into) else step
        evaluate = action if evaluate is None else _after(evaluate, action)
    return evaluate or (lambda focus: focus)


def _after(first: Evaluate, then: Evaluate) -> Evaluate:
    return lambda focus: then(first(focus))


def _member(name: str) -> Evaluate:
    def evaluate(focus: Values) -> Values:
        found: list[Any] = []
        for item in focus:
            value = item.get(name) if isinstance(item, dict) else None
            if isinstance(value, list):
                # null stands where an element has only an id or extensions: https://hl7.org/fhir/R4/json.html#primitive
                found.extend([each for each in value if each is not None])
            elif value is not None:
                found.append(value)
        return found

    return evaluate
