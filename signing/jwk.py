"""Public keys as JSON (JWK): written for publication, read with care, named by their thumbprint.

https://www.rfc-editor.org/rfc/rfc7517 and https://www.rfc-editor.org/rfc/rfc7638
"""

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, assert_never

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from signing.algorithms import NAMES, PublicKey, algorithm
from signing.refusal import Refused

_CURVES: dict[str, EllipticCurve] = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
_CURVE_NAMES = {curve.name: name for name, curve in _CURVES.items()}


def members(key: PublicKey) -> dict[str, str]:
    """Return the members that make the key, in the order that the thumbprint takes; Refused for an unnamed curve."""
    match key:
        case EllipticCurvePublicKey():
            name = _CURVE_NAMES.get(key.curve.name)
            if name is None:
                raise Refused("key-type", f"the curve {key.curve.name} has no name in JSON")
            width, point = (key.curve.key_size + 7) // 8, key.public_numbers()
            return {"crv": name, "kty": "EC", "x": _written(point.x, width), "y": _written(point.y, width)}
        case RSAPublicKey():
            numbers = key.public_numbers()
            e, n = numbers.e, numbers.n
            return {
                "e": _written(e, (e.bit_length() + 7) // 8),
                "kty": "RSA",
                "n": _written(n, (n.bit_length() + 7) // 8),
            }
        case _:
            assert_never(key)


def thumbprint(key: PublicKey) -> str:
    """Return SHA-256 of the key's members (RFC 7638) in Base64url: the `kid` of a SMART Health Card."""
    text = ",".join(f'"{name}":"{value}"' for name, value in members(key).items())
    return base64url(sha256(f"{{{text}}}".encode()).digest())


def public(key: PublicKey, chain: tuple[bytes, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a public signing key as a JWK with its thumbprint as `kid`; `chain` of DER certificates becomes `x5c`."""
    code = algorithm(key)
    parts: dict[str, Any] = {"kid": thumbprint(key), "use": "sig", **members(key)}
    if code is not None:
        parts["alg"] = NAMES[code]
    if chain:
        parts["x5c"] = [b64encode(certificate).decode() for certificate in chain]
    return parts | more


def read(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the public key of a JWK; coordinates padded to 33 bytes are read; Refused when it is none."""
    try:
        match jwk.get("kty"):
            case "EC":
                curve = _CURVES[jwk["crv"]]
                return EllipticCurvePublicNumbers(integer(jwk["x"]), integer(jwk["y"]), curve).public_key()
            case "RSA":
                return RSAPublicNumbers(integer(jwk["e"]), integer(jwk["n"])).public_key()
            case other:
                raise Refused("unreadable-key", f"a key of type {other!r:.40} signs no health certificate")
    except Refused:
        raise
    except (KeyError, ValueError, TypeError) as error:
        raise Refused("unreadable-key", f"the JSON Web Key cannot be read ({type(error).__name__})") from None


def base64url(data: bytes) -> str:
    """Return `data` in Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text: str) -> bytes:
    """Invert `base64url`; raise Refused on every text that it cannot write."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Refused("not-base64url", "the text is not Base64url") from None
    if base64url(data) != text:  # Python's decoder skips foreign characters, and bits may be left over
        raise Refused("not-base64url", "the text is not Base64url")
    return data


def _written(number: int, width: int) -> str:
    return base64url(number.to_bytes(width, "big"))


def integer(text: Any) -> int:
    """Return a number of a key, zeros before it or padding after it or not; raise TypeError or Refused on no number."""
    if not isinstance(text, str) or len(text) > 2048:
        raise TypeError("a number of a key is missing")
    return int.from_bytes(unbase64url(text.rstrip("=")), "big")
