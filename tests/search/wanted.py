"""What is asked of a search, as values, and the parameters that say it.

https://hl7.org/fhir/R4/search.html
"""

import json
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Joined:
    """Several criteria joined by "and" or "or", or "not" one: a `_filter`."""

    operator: str
    parts: tuple["Wanted", ...]


Wanted = Has | Forth | Back | Joined

TEXTS = {
    "name",
    "family",
    "given",
    "value-string",
    "lot-number",
}  # parameters whose values are found by their beginning


def written(wanted: Wanted) -> tuple[str, str]:
    """Return the parameter that says it."""
    match wanted:
        case Joined():
            return "_filter", expressed(wanted)
        case Forth() | Back():
            name, text = written(wanted.inner)
            return along(wanted) + name, text
        case Has(code, modifier, values):
            texts = (str(each).lower() if isinstance(each, bool) else str(each) for each in values)
            return f"{code}:{modifier}" if modifier else code, ",".join(texts)


def along(wanted: Forth | Back) -> str:
    """Return what leads to the inner criterion."""
    if isinstance(wanted, Back):
        return f"_has:{wanted.type}:{wanted.code}:"
    return f"{wanted.code}:{wanted.type}." if wanted.type else f"{wanted.code}."


def expressed(wanted: Wanted) -> str:
    """Return criteria of one value each as an expression."""
    match wanted:
        case Joined("not", (part,)):
            return f"not({expressed(part)})"
        case Joined(operator, parts):
            return f" {operator} ".join(f"({expressed(part)})" for part in parts)
        case _:
            name, operator, text = compared(wanted)
            return f"{name} {operator} {json.dumps(text, ensure_ascii=False)}"


def compared(wanted: Has | Forth | Back) -> tuple[str, str, str]:
    """Return the parameter, the operator and the value of a comparison."""
    if not isinstance(wanted, Has):
        assert not isinstance(wanted.inner, Joined)
        name, operator, text = compared(wanted.inner)
        return along(wanted) + name, operator, text
    code, modifier, (value,) = wanted.code, wanted.modifier, wanted.values
    if modifier == "missing":
        return code, "pr", "false" if value else "true"
    if modifier == "contains":
        return code, "co", value
    if isinstance(value, Ordered | Measured):
        return code, value.prefix or "eq", str(value._replace(prefix=""))
    if modifier is None:
        return code, "sw" if code in TEXTS else "eq", str(value)
    return f"{code}:{modifier}", "eq", str(value)


def single(wanted: Wanted) -> Wanted:
    """Return `wanted` with the first of its values only."""
    match wanted:
        case Has(values=values):
            return replace(wanted, values=values[:1])
        case Forth(inner=inner) | Back(inner=inner):
            return replace(wanted, inner=single(inner))
        case Joined(parts=parts):
            return replace(wanted, parts=tuple(single(part) for part in parts))
