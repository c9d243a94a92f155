"""The part of FHIRPath's grammar that search parameters are written in, read into a tree.

https://hl7.org/fhirpath/N1/#grammar · https://hl7.org/fhir/R4/search.html#paths
"""

import re
from dataclasses import dataclass
from typing import NamedTuple


class Unsupported(ValueError):
    """An expression is outside the part of FHIRPath that search parameters are compiled from; says why."""


class Name(NamedTuple):
    """A member of the focus, a type at the beginning of a path, or `%resource`."""

    name: str


class Literal(NamedTuple):
    """A string, a boolean or a whole number."""

    value: str | bool | int


class Step(NamedTuple):
    """`source.then`: `then` evaluated on what `source` gives."""

    source: "Node"
    then: "Node"


class Call(NamedTuple):
    """A function and its arguments, still unread trees."""

    name: str
    arguments: tuple["Node", ...]


class Item(NamedTuple):
    """`source[position]`."""

    source: "Node"
    position: int


class Cast(NamedTuple):
    """`source as type`."""

    source: "Node"
    type: str


class Is(NamedTuple):
    """`source is type`."""

    source: "Node"
    type: str


class Union(NamedTuple):
    """`left | right`."""

    left: "Node"
    right: "Node"


class Compare(NamedTuple):
    """`left = right`, or `left != right` when `equal` is false."""

    left: "Node"
    right: "Node"
    equal: bool


class And(NamedTuple):
    """`left and right`."""

    left: "Node"
    right: "Node"


Node = Name | Literal | Step | Call | Item | Cast | Is | Union | Compare | And

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>\d+)|(?P<name>%?[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)"
    r"|(?P<sign>!=|[.()\[\],|=]))"
)
LENGTH = 4096  # of an expression: a package's are not trusted


def parse(expression: str) -> Node:
    """Read `expression`; raise Unsupported when it is not of the part of FHIRPath that is known here."""
    if len(expression) > LENGTH:
        raise Unsupported(f"longer than {LENGTH} characters")
    reader = _Reader(_tokens(expression))
    node = reader.expression()
    if reader.peek() is not None:
        raise Unsupported(f"'{reader.peek()}' was not expected")
    return node


def _tokens(expression: str) -> list[str]:
    tokens, position, text = [], 0, expression.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise Unsupported(f"'{text[position : position + 10]}' cannot be read")
        tokens.append(found.group().strip())
        position = found.end()
    return tokens


@dataclass(slots=True)
class _Reader:
    """Recursive descent: one method for each level of precedence, loosest first.

    `and` is loosest, then `=`, `|`, `as` and `is`, and paths: https://hl7.org/fhirpath/N1/#operator-precedence
    """

    tokens: list[str]
    position: int = 0
    depth: int = 0

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if token is None or (expected is not None and token != expected):
            raise Unsupported(f"'{expected or 'more'}' was expected, not {token!r}")
        self.position += 1
        return token

    def expression(self) -> Node:
        node = self.comparison()
        while self.peek() == "and":
            self.take()
            node = And(node, self.comparison())
        return node

    def comparison(self) -> Node:
        node = self.union()
        if self.peek() in {"=", "!="}:
            sign = self.take()
            return Compare(node, self.union(), sign == "=")
        return node

    def union(self) -> Node:
        node = self.typed()
        while self.peek() == "|":
            self.take()
            node = Union(node, self.typed())
        return node

    def typed(self) -> Node:
        node = self.path()
        while self.peek() in {"as", "is"}:
            node = Cast(node, self.name()) if self.take() == "as" else Is(node, self.name())
        return node

    def path(self) -> Node:
        node = self.primary()
        while self.peek() in {".", "["}:
            if self.take() == ".":
                node = Step(node, self.invocation())
            else:
                node = Item(node, int(self.take()))
                self.take("]")
        return node

    def primary(self) -> Node:
        token = self.peek() or ""
        if token == "(":
            self.depth += 1
            if self.depth > 32:
                raise Unsupported("nested deeper than 32 brackets")
            self.take()
            node = self.expression()
            self.take(")")
            self.depth -= 1
            return node
        if token.startswith("'"):
            return Literal(re.sub(r"\\(.)", r"\1", self.take()[1:-1]))
        if token in {"true", "false"}:
            return Literal(self.take() == "true")
        if token.isdigit():
            return Literal(int(self.take()))
        return self.invocation()

    def invocation(self) -> Node:
        name = self.name()
        if self.peek() != "(":
            return Name(name)
        self.take()
        arguments: list[Node] = []
        while self.peek() != ")":
            arguments.append(self.expression())
            if self.peek() == ",":
                self.take()
        self.take(")")
        return Call(name, tuple(arguments))

    def name(self) -> str:
        token = self.take()
        if not re.match(r"[%`A-Za-z_]", token):
            raise Unsupported(f"'{token}' is no name")
        return token.strip("`")
