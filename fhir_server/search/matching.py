"""One door to the parameter types: a text becomes a value, a value becomes spans of entries.

https://hl7.org/fhir/R4/search.html#ptypes · https://hl7.org/fhir/R4/search.html#modifiers
"""

from datetime import datetime
from typing import NamedTuple

from fhir_server.search.entries import PRESENCE, Span
from fhir_server.search.parameters import Parameter
from fhir_server.search.types import (
    composite,
    date,
    number,
    position,
    quantity,
    reference,
    string,
    token,
    uri,
    vocabulary,
)
from fhir_server.search.types.date import Date
from fhir_server.search.types.number import Number
from fhir_server.search.types.position import Around
from fhir_server.search.types.quantity import Quantity
from fhir_server.search.types.reference import ByIdentifier, Local
from fhir_server.search.types.string import Text
from fhir_server.search.types.token import OfType, Token
from fhir_server.search.types.uri import Near, Uri
from fhir_server.search.types.vocabulary import Codes
from fhir_server.search.values import Context, Invalid, unescape


class Present(NamedTuple):
    """`:missing`: whether there is to be a value."""

    present: bool


class Id(NamedTuple):
    """A logical id, for `_id`."""

    id: str


class Combination(NamedTuple):
    """The values of a composite parameter's components."""

    parts: tuple["Value", ...]


Value = (
    Token
    | OfType
    | Text
    | Date
    | Number
    | Quantity
    | Local
    | ByIdentifier
    | Uri
    | Near
    | Around
    | Codes
    | Present
    | Id
    | Combination
)

# What each parameter type can be asked with; `:[type]` of references is a modifier too.
MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": ("missing", "not", "in", "not-in", "above", "below", "text", "of-type"),
    "string": ("missing", "exact", "contains"),
    "reference": ("missing", "identifier"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "uri": ("missing", "above", "below"),
    "composite": ("missing",),
    "special": ("missing",),
}


def modifiers(parameter: Parameter) -> tuple[str, ...]:
    """Return the modifiers with which `parameter` can be asked."""
    if parameter.code == "_id":
        return ("not",)
    if parameter.code == "_lastUpdated":
        return ()
    found = MODIFIERS[parameter.type]
    if parameter.type == "token":
        types = {branch.type for branch in parameter.branches}
        found = tuple(modifier for modifier in found if types & token.CARRIERS.get(modifier, types))
    return found + parameter.targets if parameter.type == "reference" else found


def read(parameter: Parameter, modifier: str | None, text: str, context: Context, now: datetime) -> Value:
    """Return the value that `text` means for `parameter`; raise Invalid when it means none.

    `modifier` is one of `modifiers(parameter)`; `now` is what `ap` dates are near to.
    """
    if modifier == "missing":
        return _present(text)
    if parameter.code == "_id":
        return _id(text)
    match parameter.type:
        case "token":
            return _token(parameter, modifier, text, context)
        case "string":
            return string.parse(text, modifier)
        case "date":
            return date.parse(text, context, now)
        case "number":
            return number.parse(text)
        case "quantity":
            return quantity.parse(text)
        case "reference":
            return reference.parse(text, modifier, context)
        case "uri":
            near = modifier in {"above", "below"}
            return uri.parse_near(text, modifier or "") if near else uri.parse(text, canonical=parameter.canonical)
        case "composite":
            parts = composite.parse(text, [component.code for component in parameter.components])
            components = zip(parameter.components, parts, strict=True)
            return Combination(tuple(read(component, None, part, context, now) for component, part in components))
        case "special":
            return position.parse(text)
        case other:
            raise Invalid(f"{other} parameters have no values", f"tham số loại {other} không có giá trị")


def _token(parameter: Parameter, modifier: str | None, text: str, context: Context) -> Value:
    match modifier:
        case "of-type":
            return token.parse_of_type(text)
        case "text":
            return string.parse(text)
        case "in" | "not-in":
            return vocabulary.parse_value_set(text, context)
        case "above" | "below":
            return vocabulary.parse_hierarchy(text, modifier, parameter.implied, context)
        case _:
            return token.parse(text)


def _present(text: str) -> Present:
    if text not in {"true", "false"}:
        raise Invalid(
            f"'{text[:100]}' does not fit :missing: write true or false",
            f"'{text[:100]}' không hợp với :missing: hãy viết true hoặc false",
        )
    return Present(text == "false")


def _id(text: str) -> Id:
    if not reference.ID.fullmatch(unescape(text)):
        raise Invalid(
            f"'{text[:100]}' is no id: ids have 1 to 64 letters, digits, '-' and '.'",
            f"'{text[:100]}' không phải id: id gồm 1 đến 64 chữ cái, chữ số, '-' và '.'",
        )
    return Id(unescape(text))


def spans(parameter: Parameter, value: Value, context: Context, *, composite_part: bool = False) -> list[Span]:
    """Return the spans of entries of `parameter.name` that `value` describes; any one of them suffices.

    `Present` describes that there is a value, whether wanted or not; `Id` lies in no entry.
    """
    match value:
        case Token() | OfType() | Codes():
            return _token_spans(parameter, value, context)
        case Text():
            return token.match_text(value) if parameter.type == "token" else string.match(value)
        case Date():
            return date.match(value, composite=composite_part)
        case Number():
            return number.match(value, intervals=parameter.intervals, composite=composite_part)
        case Quantity():
            return quantity.match(value, composite=composite_part)
        case Near() | Around():
            return uri.match_near(value) if isinstance(value, Near) else position.match(value)
        case Uri() if parameter.type == "uri":
            return uri.match(value)
        case Local() | ByIdentifier() | Uri():
            return reference.match(value, context, parameter.targets)
        case Combination(parts):
            own = [
                spans(component, part, context, composite_part=True)
                for component, part in zip(parameter.components, parts, strict=True)
            ]
            return composite.match(own)
        case Present():
            return [PRESENCE]
        case Id():
            raise TypeError("_id has no entries")


def _token_spans(parameter: Parameter, value: Token | OfType | Codes, context: Context) -> list[Span]:
    if isinstance(value, Codes):
        return vocabulary.match(value, context, parameter.implied)
    return token.match(value, context, parameter.implied, systems=parameter.systems)
