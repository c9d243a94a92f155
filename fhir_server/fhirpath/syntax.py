"""FHIRPath's grammar: the text of an expression read into a tree, from which `paths` and `evaluation` compile.

https://hl7.org/fhirpath/N1/#grammar
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from fhir_server.fhirpath.durations import UNITS, Duration

MAX_LENGTH: Final = 8192  # characters of an expression; the longest of R4 has under 2,000
MAX_DEPTH: Final = 64  # brackets within brackets
MAX_HEIGHT: Final = 128  # levels of the tree: the highest of R4 has 15; who compiles and evaluates it recurs

# https://hl7.org/fhirpath/N1/#operator-precedence: the higher, the tighter
PRECEDENCE: Final = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys((">", "<", ">=", "<="), 6),
    "|": 7,
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
TOKEN: Final = re.compile(
    r"""\s+ | //[^\n]* | /\*.*?\*/
      | (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<time>@T?\d[\dT:.+\-Z]*)
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`)
      | (?P<variable>%(?:[\w\-]+|`[^`]+`|'[^']+'))
      | (?P<special>\$(?:this|index|total))
      | (?P<sign><=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class Unsupported(ValueError):
    """The expression is outside of what is compiled here; says why."""


class Literal(NamedTuple):
    """A value written in the expression; None is `{}`."""

    value: str | int | Decimal | bool | Duration | None


class Member(NamedTuple):
    """A child of the focus by name."""

    name: str


class This(NamedTuple):
    """`$this`."""


class Variable(NamedTuple):
    """`%resource` and its like."""

    name: str


class Call(NamedTuple):
    """A function of the focus."""

    name: str
    arguments: tuple["Node", ...]


class Step(NamedTuple):
    """`source.then`."""

    source: "Node"
    then: "Member | Call | This"


class Index(NamedTuple):
    """`source[position]`."""

    source: "Node"
    position: "Node"


class Negative(NamedTuple):
    """`-operand`."""

    operand: "Node"


class Typed(NamedTuple):
    """`source is type` or `source as type`."""

    operator: str
    source: "Node"
    type: str


class Binary(NamedTuple):
    """`left operator right`."""

    operator: str
    left: "Node"
    right: "Node"


Node = Literal | Member | This | Variable | Call | Step | Index | Negative | Typed | Binary


def parse(expression: str) -> Node:
    """Return the tree of `expression`; raise Unsupported when it cannot be read."""
    if len(expression) > MAX_LENGTH:
        raise Unsupported(f"longer than {MAX_LENGTH} characters")
    reader = _Reader(_tokens(expression))
    node = reader.expression(0)
    if reader.kind:
        raise Unsupported(f"'{reader.text}' was not expected")
    _limit(node)
    return node


def type_name(node: Node) -> str:
    """Return the type that an argument names: `Quantity`, `FHIR.Quantity`."""
    match node:
        case Member(name):
            return name
        case Step(Member("FHIR" | "System"), Member(name)):
            return name
        case _:
            raise Unsupported("a type was expected")


def _limit(node: Node) -> None:
    """Raise Unsupported when the tree is higher than MAX_HEIGHT: a chain of steps needs no brackets to be deep."""
    level: list[Node] = [node]
    height = 0
    while level:
        height += 1
        if height > MAX_HEIGHT:
            raise Unsupported(f"more than {MAX_HEIGHT} steps or operators on each other")
        level = [part for each in level for part in parts(each)]


def parts(node: Node) -> tuple[Node, ...]:
    """Return the nodes right below `node`."""
    match node:
        case Call(_, arguments):
            return arguments
        case Step(one, other) | Index(one, other) | Binary(_, one, other):
            return (one, other)
        case Negative(only) | Typed(_, only, _):
            return (only,)
        case Literal() | Member() | This() | Variable():
            return ()


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(expression):
        match = TOKEN.match(expression, position)
        if match is None:
            raise Unsupported(f"'{expression[position : position + 10]}' cannot be read")
        if match.lastgroup is not None:
            tokens.append((match.lastgroup, match.group()))
        position = match.end()
    return tokens


def _unquoted(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        escaped = match.group(1)
        return chr(int(escaped[1:], 16)) if len(escaped) == 5 else ESCAPES.get(escaped, escaped)

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", character, text[1:-1], flags=re.DOTALL)


@dataclass(slots=True)
class _Reader:
    """Reads by precedence; `kind` and `text` are the token ahead, "" at the end."""

    tokens: list[tuple[str, str]]
    position: int = 0
    depth: int = 0
    kind: str = field(init=False, default="")
    text: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._look()

    def _look(self) -> None:
        self.kind, self.text = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")

    def take(self, wanted: str | None = None) -> str:
        """Return the token ahead and go on; raise Unsupported when it is not the one wanted."""
        text = self.text
        if not self.kind or (wanted is not None and text != wanted):
            raise Unsupported(f"'{wanted or 'more'}' was expected before '{text}'")
        self.position += 1
        self._look()
        return text

    def expression(self, least: int) -> Node:
        """Read operators that bind tighter than `least`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unsupported(f"nested deeper than {MAX_DEPTH}")
        node = self.unary()
        while self.kind in ("sign", "name") and PRECEDENCE.get(self.text, 0) > least:
            operator = self.take()
            if operator in ("is", "as"):
                node = Typed(operator, node, type_name(self.path()))
            else:
                node = Binary(operator, node, self.expression(PRECEDENCE[operator]))
        self.depth -= 1
        return node

    def unary(self) -> Node:
        """Read a path and the signs before it."""
        minus = 0
        while self.text in ("+", "-") and self.kind == "sign":
            minus += self.take() == "-"
        node = self.path()
        for _ in range(minus):
            node = Negative(node)
        return node

    def path(self) -> Node:
        """Read a term and its steps and indexes."""
        node = self.term()
        while self.kind == "sign" and self.text in (".", "["):
            if self.take() == ".":
                node = Step(node, self.invocation())
            else:
                node = Index(node, self.expression(0))
                self.take("]")
        return node

    def term(self) -> Node:
        """Read a literal, a variable, brackets or the first step of a path."""
        match self.kind, self.text:
            case "string", text:
                self.take()
                return Literal(_unquoted(text))
            case "number", text:
                self.take()
                return self.number(text)
            case "time", text:
                self.take()
                return Literal(text[1:].removeprefix("T"))
            case "name", "true" | "false":
                return Literal(self.take() == "true")
            case "variable", text:
                return Variable(self.take()[1:].strip("`'"))
            case "sign", "(":
                self.take()
                node = self.expression(0)
                self.take(")")
                return node
            case "sign", "{":
                self.take()
                self.take("}")
                return Literal(None)
            case _:
                return self.invocation()

    def number(self, text: str) -> Literal:
        """Return the number that was taken; a calendar unit after it makes it a duration."""
        if self.kind == "name" and self.text.removesuffix("s") in UNITS and "." not in text:
            return Literal(Duration(int(text), self.take().removesuffix("s")))
        if self.kind == "string" or self.text.removesuffix("s") in UNITS:
            raise Unsupported("quantities are not compiled")
        return Literal(Decimal(text) if "." in text else int(text))

    def invocation(self) -> Member | Call | This:
        """Read a member, a function or `$this`."""
        if self.kind == "special":
            if self.take() != "$this":
                raise Unsupported("only $this is compiled")
            return This()
        if self.kind != "name":
            raise Unsupported(f"a name was expected before '{self.text}'")
        quoted = self.text.startswith("`")
        text = self.take()
        name = _unquoted(text) if quoted else text
        if quoted or self.text != "(":
            return Member(name)
        self.take()
        arguments: list[Node] = []
        while self.text != ")":
            arguments.append(self.expression(0))
            if self.text != ")":
                self.take(",")
        self.take(")")
        return Call(name, tuple(arguments))
