"""CBOR as certificates use it: one item, no second meaning, nothing that grows.

https://www.rfc-editor.org/rfc/rfc8949
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from cbor2 import CBORDecodeError, CBORDecoder, CBORTag, dumps, undefined

from signing.refusal import Refused

__all__ = ["CBORTag", "dumps", "loads", "plain"]

DEPTH = 16  # containers; a health certificate needs 7
COSE_SIGN1, CWT = 18, 61
_LEAST = -(1 << 63)  # CBOR goes down to twice that, what JSON is written with does not


class _Tags(dict[int, Callable[[Any, bool], Any]]):
    """The tags that have a meaning here; any other (big numbers, shared references, sets…) is refused."""

    def __missing__(self, tag: int) -> Callable[[Any, bool], Any]:
        raise ValueError(f"tag {tag} is not allowed in a certificate")


_TAGS = _Tags(
    {
        0: lambda text, _: text,  # a date-time stays the text it was, zone or no zone
        1: lambda number, _: number,
        COSE_SIGN1: lambda value, _: CBORTag(COSE_SIGN1, value),
        CWT: lambda value, _: CBORTag(CWT, value),
    }
)


def loads(data: bytes) -> Any:
    """Read the one item that `data` holds; tagged 18 or 61 it comes as CBORTag, date-times as their text or number.

    Raise Refused on anything else: trailing bytes, a key twice in one map, other tags, more than 16 levels.
    """
    stream = BytesIO(data)
    try:
        decoder = CBORDecoder(stream, semantic_decoders=_TAGS, max_depth=DEPTH, allow_duplicate_keys=False)
        value = decoder.decode()
    except CBORDecodeError as error:
        raise Refused("not-cbor", f"the content is not acceptable CBOR ({error.__cause__ or error})") from None
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise Refused("not-cbor", f"the content is not acceptable CBOR ({error})") from None
    if stream.tell() != len(data):
        raise Refused("cbor-trailing", f"{len(data) - stream.tell()} bytes follow the CBOR item")
    return value


def plain(value: Any) -> Any:
    """Return `value` as JSON can write it, null for undefined, changed in place; raise Refused on bytes, tags, NaN.

    So it does on integers that have no place in 64 bits.
    """
    kind = type(value)
    if kind is str or (kind is int and value >= _LEAST) or kind is bool or value is None:
        return value
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise Refused("not-json", f"a {type(key).__name__} is no name in the content of a certificate")
            if type(item) is not str:  # texts are most of a certificate: not calling for each of them halves the time
                value[key] = plain(item)
        return value
    if kind is list:
        value[:] = [plain(item) for item in value]
        return value
    if kind is float and value - value == 0:  # neither NaN nor infinite
        return value
    if value is undefined:
        return None
    raise Refused("not-json", f"a {kind.__name__} has no place in the content of a certificate")
