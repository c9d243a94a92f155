"""Detached signatures of records: a compact JWS without its content, with the chain of its signer's certificates.

https://www.rfc-editor.org/rfc/rfc7515#appendix-F and, when the header says `"b64":false`, https://www.rfc-editor.org/rfc/rfc7797

Facilities sign with the certificates they have, of any authority: RSA (PS256, or RS256 as older tokens can) or P-256.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from signing import algorithms, chains, jws
from signing.jwk import base64url, unbase64url
from signing.refusal import Refused

ALGORITHMS: Final = ("ES256", "PS256", "RS256")
LONGEST: Final = 64 * 1024  # characters
_UNENCODED: Final = "b64"


class Detached(NamedTuple):
    """A detached JWS as it came; nothing in it is verified."""

    algorithm: str
    chain: tuple[bytes, ...]  # DER, the signer's certificate first
    header: str  # as it was signed
    encoded: bool  # the content is signed in Base64url, not as it is
    signature: bytes


def parse(text: str) -> Detached:
    """Read `header..signature`; raise Refused when the text is none, or names an algorithm that is not accepted."""
    parts = text.split(".")
    if len(text) > LONGEST or len(parts) != 3 or parts[1]:
        raise Refused("not-detached-jws", "a detached JWS is header..signature, with nothing in between")
    algorithm, chain, encoded = _header(parts[0])
    return Detached(algorithm, chain, parts[0], encoded, unbase64url(parts[2]))


@lru_cache(maxsize=256)  # one signer's headers are the same
def _header(text: str) -> tuple[str, tuple[bytes, ...], bool]:
    """Return the algorithm, the chain, and whether the content is signed in Base64url."""
    header = jws.json_object(unbase64url(text), "not-detached-jws", "the header of the JWS")
    unencoded = header.get(_UNENCODED) is False
    if header.get("crit", []) != ([_UNENCODED] if unencoded else []):
        raise Refused(
            "critical-header", 'the header may demand an understanding of "b64" only, and only when it is false'
        )
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise Refused("unsupported-algorithm", f"algorithm {algorithm!r:.40} is not one of {', '.join(ALGORITHMS)}")
    return str(algorithm), _chain(header.get("x5c")), not unencoded


def signing_input(header: str, content: bytes, *, encoded: bool) -> bytes:
    """Return what the signature is over."""
    return header.encode() + b"." + (base64url(content).encode() if encoded else content)


def verify(found: Detached, content: bytes) -> list[x509.Certificate]:
    """Return the chain, the signer first, when its signature covers `content`; raise Refused when it does not.

    Whether the chain is to be trusted is another question: `chains.require_trusted`.
    """
    chain = chains.read(found.chain)
    key = chains.public_key(chain[0])
    data = signing_input(found.header, content, encoded=found.encoded)
    if not _verifies(found, key, data):
        raise Refused("bad-signature", "the signature does not cover the record as it is")
    return chain


def sign(content: bytes, algorithm: str, chain: Sequence[bytes], signing: Callable[[bytes], bytes]) -> str:
    """Return the detached JWS that `signing` (bytes to signature) makes of `content`, unencoded, with `chain`."""
    x5c = [b64encode(each).decode() for each in chain]
    parts = {"alg": algorithm, "b64": False, "crit": ["b64"], "x5c": x5c}
    header = base64url(jws.minified(parts))
    return f"{header}..{base64url(signing(signing_input(header, content, encoded=False)))}"


def _chain(x5c: Any) -> tuple[bytes, ...]:
    if not (isinstance(x5c, list) and x5c and all(isinstance(each, str) for each in x5c)):
        raise Refused("chain-missing", "the header names no chain of certificates (x5c)")
    try:
        return tuple(b64decode(each, validate=True) for each in x5c)
    except ValueError:
        raise Refused("chain-missing", "a certificate of the chain (x5c) is not Base64") from None


def _verifies(found: Detached, key: object, data: bytes) -> bool:
    match key:
        case EllipticCurvePublicKey() if found.algorithm == "ES256" and algorithms.algorithm(key):
            return algorithms.verifies(key, found.signature, data)
        case RSAPublicKey() if found.algorithm == "PS256" and algorithms.algorithm(key):
            return algorithms.verifies(key, found.signature, data)
        case RSAPublicKey() if found.algorithm == "RS256" and algorithms.algorithm(key):
            try:
                key.verify(found.signature, data, PKCS1v15(), SHA256())
            except InvalidSignature:
                return False
            return True
        case _:
            raise Refused("key-type", f"the signer's key is not for {found.algorithm}")
