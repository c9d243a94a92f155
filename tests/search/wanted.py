"""What is asked of a search, as values, and the parameters that say it.

https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Token(NamedTuple):
    """`code`, `system|code`, `|code` (system "") or `system|` (no code)."""

    system: str | None
    code: str | None

    def __str__(self) -> str:
        return str(self.code) if self.system is None else f"{self.system}|{self.code or ''}"


class OfType(NamedTuple):
    """An identifier of a type."""

    system: str
    code: str
    value: str

    def __str__(self) -> str:
        return "|".join(self)


class Ordered(NamedTuple):
    """A number or date with its prefix."""

    prefix: str
    text: str

    def __str__(self) -> str:
        return self.prefix + self.text


class Measured(NamedTuple):
    """A quantity: without a unit, with one that people read (no system), or with one of a system."""

    prefix: str
    text: str
    system: str | None = None
    code: str | None = None

    def __str__(self) -> str:
        return self.prefix + self.text + (f"|{self.system or ''}|{self.code}" if self.code else "")


class Pair(NamedTuple):
    """The parts of a composite."""

    token: Token
    quantity: Measured

    def __str__(self) -> str:
        return f"{self.token}${self.quantity}"


class Circle(NamedTuple):
    """A place and the distance from it."""

    latitude: str
    longitude: str
    kilometres: str

    def __str__(self) -> str:
        return "|".join(self)


@dataclass(frozen=True)
class Has:
    """A parameter, the modifier, and values of which one must hold: of a form that belongs to the kind."""

    code: str
    modifier: str | None
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Forth:
    """`code.inner` or `code:type.inner`."""

    code: str
    type: str | None
    inner: "Wanted"


@dataclass(frozen=True)
class Back:
    """`_has:type:code:inner`."""

    type: str
    code: str
    inner: "Wanted"


Wanted = Has | Forth | Back


def written(wanted: Wanted) -> tuple[str, str]:
    """Return the parameter that says it."""
    match wanted:
        case Forth(code, type, inner):
            name, text = written(inner)
            return f"{code}:{type}.{name}" if type else f"{code}.{name}", text
        case Back(type, code, inner):
            name, text = written(inner)
            return f"_has:{type}:{code}:{name}", text
        case Has(code, modifier, values):
            texts = (str(each).lower() if isinstance(each, bool) else str(each) for each in values)
            return f"{code}:{modifier}" if modifier else code, ",".join(texts)
