"""JSON Web Signatures in the compact form: header.payload.signature, ES256 or PS256, deflated when the header says so.

https://www.rfc-editor.org/rfc/rfc7515#section-7.1
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from signing import algorithms
from signing.algorithms import NAMES, PublicKey
from signing.deflate import LIMIT, inflate_raw
from signing.jwk import base64url, unbase64url
from signing.keys import SigningKey
from signing.refusal import Refused

_DEPTH = 64  # FHIR resources need fewer than 20
_CODES = {name: code for code, name in NAMES.items()}


class Jws(NamedTuple):
    """A JWS as it came; nothing in it is verified."""

    header: dict[str, Any]
    content: bytes  # the payload as signed, still deflated if the header says so
    signature: bytes
    signed: bytes  # what the signature is over


def sign(header: Mapping[str, Any], payload: bytes, key: SigningKey) -> str:
    """Return the compact JWS of `payload` as it stands; the header begins with the algorithm of `key`."""
    parts = {"alg": NAMES[key.algorithm], **header}
    signed = f"{base64url(minified(parts))}.{base64url(payload)}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def parse(text: str) -> Jws:
    """Read a compact JWS; raise Refused when the text is none, or its header demands what nobody understands."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Refused("not-jws", f"a JWS has three parts, not {len(parts)}")
    header, content, signature = map(unbase64url, parts)
    said = json_object(header, "not-jws", "the header of the JWS")
    if "crit" in said:
        raise Refused("critical-header", f"the header demands an understanding of {said['crit']!r:.80}")
    return Jws(said, content, signature, text.rpartition(".")[0].encode("ascii"))


def payload(message: Jws, limit: int = LIMIT) -> bytes:
    """Return the payload, inflated when the header says `"zip":"DEF"`; raise Refused as `inflate_raw` does."""
    match message.header.get("zip"):
        case "DEF":
            return inflate_raw(message.content, limit)
        case None:
            return message.content
        case other:
            raise Refused("zip-unknown", f"the compression {other!r:.40} is not DEF")


def algorithm(message: Jws) -> int | None:
    """Return the COSE code of the algorithm that the header names; None when it is not one of ours."""
    name = message.header.get("alg")
    return _CODES.get(name) if isinstance(name, str) else None


def verifies(message: Jws, key: PublicKey) -> bool:
    """Return whether `message` was signed with `key`, by the algorithm that belongs to the key."""
    return algorithm(message) == algorithms.algorithm(key) and algorithms.verifies(
        key, message.signature, message.signed
    )


def minified(value: Any) -> bytes:
    """Return JSON without white space, UTF-8; raise Refused on what JSON cannot say."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("not-json", f"the content cannot be written as JSON ({error})") from None


def json_object(text: bytes, code: str, what: str) -> dict[str, Any]:
    """Read a JSON object; raise Refused with `code` when it is none, names a member twice, is too deep, says NaN."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_integer)
        if b"\\u" in text:  # an escaped half of a character is no character
            json.dumps(value, ensure_ascii=False).encode()
        if not isinstance(value, dict):
            raise ValueError("no object")
        _bound(value)
    except (ValueError, RecursionError) as error:
        raise Refused(code, f"{what} is not acceptable JSON ({error})") from None
    return value


def _bound(value: Any) -> None:
    """Raise ValueError when containers stand in one another more than 64 levels deep."""
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"more than {_DEPTH} levels")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice in one object")
    return members


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else 1 << 64
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError("an integer of more than 64 bits")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
