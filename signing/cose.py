"""COSE_Sign1: a payload, who signed it, and the signature over both.

https://www.rfc-editor.org/rfc/rfc9052#section-4.2
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from signing import algorithms, cbor
from signing.algorithms import NAMES, PublicKey
from signing.keys import SigningKey
from signing.refusal import Refused

_ALGORITHM, _CRITICAL, _KID = 1, 2, 4  # labels of headers
_NO_HEADERS = b"\xa0"
_TAGGED_ARRAY_OF_4 = b"\xd2\x84"
_SIGNATURE1 = b"\x84\x6aSignature1"  # the fixed beginning of every Sig_structure
_NO_EXTERNAL_DATA = b"\x40"


class Sign1(NamedTuple):
    """A COSE_Sign1 as it came; nothing in it is verified."""

    protected: bytes
    payload: bytes
    signature: bytes
    kid: bytes | None  # of two key identifiers, the protected one
    algorithm: Any  # named by the protected header, or by the other one only if that is silent


def sign(key: SigningKey, payload: bytes) -> bytes:
    """Return `payload` as a COSE_Sign1 with tag 18, signed with `key`."""
    protected, content = _byte_string(key.protected), _byte_string(payload)
    signature = key.sign(b"".join((_SIGNATURE1, protected, _NO_EXTERNAL_DATA, content)))
    return b"".join((_TAGGED_ARRAY_OF_4, protected, _NO_HEADERS, content, _byte_string(signature)))


def parse(data: bytes) -> Sign1:
    """Read a COSE_Sign1 without a tag, with tag 18, or with tags 61 and 18; raise Refused when it is none."""
    value = cbor.loads(data)
    for tag in (cbor.CWT, cbor.COSE_SIGN1):
        if isinstance(value, cbor.CBORTag) and value.tag == tag:
            value = value.value
    match value:
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            return _message(protected, unprotected, payload, signature)
        case _:
            raise Refused("not-cose-sign1", "the CBOR item is not a COSE_Sign1 of four parts")


def _message(protected: bytes, unprotected: Mapping[Any, Any], payload: bytes, signature: bytes) -> Sign1:
    header = _header(protected)
    kid = header.get(_KID)
    if not isinstance(kid, bytes):
        kid = unprotected.get(_KID)
    algorithm = header[_ALGORITHM] if _ALGORITHM in header else unprotected.get(_ALGORITHM)
    return Sign1(protected, payload, signature, kid if isinstance(kid, bytes) else None, algorithm)


@lru_cache(maxsize=256)  # all certificates of one signer have the same
def _header(protected: bytes) -> Mapping[Any, Any]:
    header = cbor.loads(protected) if protected else {}
    if not isinstance(header, dict):
        raise Refused("not-cose-sign1", "the protected header is not a map")
    if _CRITICAL in header:
        raise Refused("critical-header", f"the header demands an understanding of {header[_CRITICAL]!r:.80}")
    return MappingProxyType(header)


def pinned(algorithm: Any) -> int:
    """Return `algorithm` when it is ES256 or PS256; raise Refused for any other and for none."""
    if type(algorithm) is int and algorithm in NAMES:
        return algorithm
    raise Refused("unsupported-algorithm", f"algorithm {algorithm!r:.80} is neither ES256 (-7) nor PS256 (-37)")


def verifies(message: Sign1, key: PublicKey) -> bool:
    """Return whether the signature of `message` was made with `key`; which algorithm that takes, the key decides."""
    data = b"".join((_SIGNATURE1, _byte_string(message.protected), _NO_EXTERNAL_DATA, _byte_string(message.payload)))
    return algorithms.verifies(key, message.signature, data)


def _byte_string(data: bytes) -> bytes:
    length = len(data)
    if length < 24:
        head = bytes((0x40 | length,))
    elif length < 256:
        head = bytes((0x58, length))
    elif length < 65536:
        head = b"\x59" + length.to_bytes(2, "big")
    else:
        head = b"\x5a" + length.to_bytes(4, "big")
    return head + data
