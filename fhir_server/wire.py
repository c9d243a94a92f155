"""JSON as it travels: read exactly, refused when ambiguous, written back with every digit it came with.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/datatypes.html#decimal (0.010 is not 0.01)
"""

import json
from decimal import Decimal
from typing import Any

import orjson

from fhir_server.outcome import Malformed

BYTE_ORDER_MARK = "\ufeff"  # https://www.rfc-editor.org/rfc/rfc8259#section-8.1: a reader may ignore it
# Beyond these a number is an attack on whoever calculates with it: int(Decimal("1e999999999")) fills the memory.
MAX_DIGITS = 255  # characters of one number
MAX_EXPONENT = 999


class Exact(Decimal):
    """A JSON number with a fraction, an exponent or more digits than 64 bits hold (or -0), and its text."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Exact":
        number = super().__new__(cls, text)
        number.text = text
        return number


def loads(body: bytes | str) -> Any:
    """Read JSON: decimals become `Exact`; raise Malformed on anything that two readers could read differently."""
    try:
        text = body.decode() if isinstance(body, bytes) else body
        value = _DECODER.decode(text.removeprefix(BYTE_ORDER_MARK))
        dumps(value)  # bounds the depth (254) and refuses lone surrogates
    except UnicodeDecodeError as error:
        raise Malformed(
            f"The body is not UTF-8 (byte {error.start}): send it as UTF-8",
            f"Nội dung không phải UTF-8 (byte {error.start}): hãy gửi bằng UTF-8",
        ) from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            f"Nội dung không phải JSON hợp lệ: dòng {error.lineno}, cột {error.colno} ({error.msg})",
        ) from None
    except RecursionError:
        raise Malformed("The JSON is nested too deep", "JSON lồng nhau quá sâu") from None
    return value


def dumps(value: Any) -> bytes:
    """Write `value` without white space, decimals with the digits they were read with.

    Raise Malformed when it is nested too deep or holds text that is not Unicode, TypeError when it is no JSON at all.
    """
    try:
        return orjson.dumps(value, default=exact)
    except TypeError as error:
        if isinstance(error.__cause__, TypeError):  # what `exact` raised: a fault of ours, not of the client
            raise error.__cause__ from None
        raise Malformed(
            "The JSON is nested too deep (over 254 levels) or holds text that is not Unicode",
            "JSON lồng nhau quá sâu (trên 254 mức) hoặc chứa văn bản không phải Unicode",
        ) from error


def glance(stored: bytes) -> Any:
    """Read what was stored, which was valid then, for its texts: fractions become floats and lose their digits."""
    return orjson.loads(stored)


def indented(body: bytes) -> bytes:
    """Write JSON anew with line breaks and two spaces a level, its numbers digit by digit as they were."""
    return orjson.dumps(loads(body), default=exact, option=orjson.OPT_INDENT_2)


def exact(value: Any) -> orjson.Fragment:
    """Return what orjson writes for a decimal; raise TypeError when `value` is none."""
    if isinstance(value, Exact):
        return orjson.Fragment(value.text)
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        name = _shown(_repeated(pairs))
        raise Malformed(
            f"The property '{name}' occurs twice in one JSON object: send it once",
            f"Thuộc tính '{name}' xuất hiện hai lần trong một đối tượng JSON: chỉ gửi một lần",
        )
    return members


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no name occurs twice")


def _shown(text: str) -> str:
    """Return the beginning of `text`, fit to be written in an answer: half a surrogate pair is not."""
    return text[:64].encode("utf-8", "backslashreplace").decode()


def _integer(text: str) -> int | Exact:
    # As an int, -0 would lose its sign.
    return int(text) if len(text) < 19 and text != "-0" else _decimal(text)


def _decimal(text: str) -> Exact:
    exponent = text.lower().partition("e")[2]
    if len(text) > MAX_DIGITS or abs(int(exponent or "0")) > MAX_EXPONENT:
        raise Malformed(
            f"The number {text[:32]}… is too long: {MAX_DIGITS} characters and exponent {MAX_EXPONENT} at most",
            f"Số {text[:32]}… quá dài: tối đa {MAX_DIGITS} ký tự và số mũ {MAX_EXPONENT}",
        )
    return Exact(text)


def _constant(text: str) -> Any:
    raise Malformed(f"{text} is not a JSON number", f"{text} không phải là số JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)
