"""Canonical JSON: the one way to write a value, so that its bytes can be signed.

https://www.rfc-editor.org/rfc/rfc8785
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from signing.refusal import Refused

_LARGEST = 2**53 - 1  # beyond it, a double no longer holds every integer
_DEPTH = 64
_text = encode_basestring  # escapes exactly what section 3.2.2.2 names


def canonical(value: Any) -> bytes:
    """Return JSON in canonical form, UTF-8; raise Refused on what JSON cannot say: NaN, lone surrogates, other types.

    A Decimal is written as the double nearest to it (section 3.2.2.3): `1.10` becomes `1.1`.
    """
    try:
        return _written(value, _DEPTH).encode()
    except UnicodeEncodeError:
        raise Refused("not-canonical", "a text holds half a character (a lone surrogate)") from None


def _written(value: Any, depth: int) -> str:
    if not depth:
        raise Refused("not-canonical", f"the value is nested more than {_DEPTH} levels deep")
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is dict:
        return _object(value, depth)
    if kind is list:
        return _array(value, depth)
    return _other(value, depth)


def _other(value: Any, depth: int) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float() | Decimal():
            return _number(value)
        case Mapping():
            return _object(value, depth)
        case list() | tuple():
            return _array(value, depth)
        case _:
            raise Refused("not-canonical", f"a {type(value).__name__} has no place in JSON")


def _array(items: Sequence[Any], depth: int) -> str:
    return f"[{','.join([_written(item, depth - 1) for item in items])}]"


def _object(value: Mapping[Any, Any], depth: int) -> str:
    try:
        names = sorted(value, key=None if "".join(value).isascii() else _units)
    except TypeError:
        raise Refused("not-canonical", "the name of a member is no text") from None
    return f"{{{','.join([f'{_text(name)}:{_written(value[name], depth - 1)}' for name in names])}}}"


def _units(name: str) -> bytes:
    """Return the UTF-16 code units of `name`, by which section 3.2.3 sorts."""
    return name.encode("utf-16-be")


def _number(value: float | Decimal) -> str:
    """Write a number as ECMAScript does (section 3.2.2.3)."""
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return str(value)
    try:
        double = float(value)
    except (OverflowError, ValueError):
        raise Refused("not-canonical", "a number is too large for JSON") from None
    if double - double != 0:
        raise Refused("not-canonical", f"{double} is no number of JSON")
    sign, digits, exponent = Decimal(repr(double)).normalize().as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits))
    point = len(shown) + exponent  # where the decimal point stands in the row of digits
    if shown == "0":
        return "0"
    if len(shown) <= point <= 21:
        text = shown.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{shown[:point]}.{shown[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{shown}"
    else:
        text = f"{shown[0]}{'.' if shown[1:] else ''}{shown[1:]}e{point - 1:+d}"
    return f"{'-' if sign else ''}{text}"
