"""JSON as it travels: read exactly, refused when ambiguous, written back with every digit it came with.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/datatypes.html#decimal (0.010 is not 0.01)
"""

import json
from decimal import Decimal
from typing import Any

import orjson

from fhir_server.outcome import Malformed


class Exact(Decimal):
    """A JSON number with a fraction, an exponent or more digits than 64 bits hold, and its text."""

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
        value = json.loads(
            text, object_pairs_hook=_members, parse_float=Exact, parse_int=_integer, parse_constant=_constant
        )
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
    """Write `value` without white space, decimals with the digits they were read with."""
    try:
        return orjson.dumps(value, default=_exact)
    except TypeError as error:
        raise Malformed(
            "The JSON is nested too deep (over 254 levels) or holds text that is not Unicode",
            "JSON lồng nhau quá sâu (trên 254 mức) hoặc chứa văn bản không phải Unicode",
        ) from error


def _exact(value: Any) -> orjson.Fragment:
    if isinstance(value, Exact):
        return orjson.Fragment(value.text)
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise Malformed(
            f"The property '{name[:64]}' occurs twice in one JSON object: send it once",
            f"Thuộc tính '{name[:64]}' xuất hiện hai lần trong một đối tượng JSON: chỉ gửi một lần",
        )
    return members


def _integer(text: str) -> int | Exact:
    return int(text) if len(text) < 19 else Exact(text)


def _constant(text: str) -> Any:
    raise Malformed(f"{text} is not a JSON number", f"{text} không phải là số JSON")
