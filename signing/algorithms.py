"""The two signature algorithms of health certificates, pinned: ES256 and PS256.

https://www.rfc-editor.org/rfc/rfc9053#section-2.1 and https://www.rfc-editor.org/rfc/rfc8230#section-2
"""

from typing import assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

ES256, PS256 = -7, -37  # https://www.iana.org/assignments/cose/cose.xhtml#algorithms
NAMES = {ES256: "ES256", PS256: "PS256"}
SMALLEST_RSA = 2048  # bits; HCERT 3.3.2 allows no shorter key

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey
PublicKey = EllipticCurvePublicKey | RSAPublicKey

_HALF = 32  # bytes of r, and of s, on P-256
_SEQUENCE, _INTEGER = 0x30, 0x02  # https://www.itu.int/rec/T-REC-X.690
_SHA256 = SHA256()
_ECDSA = ECDSA(_SHA256)
_PSS = PSS(MGF1(_SHA256), salt_length=32)


def algorithm(key: PublicKey) -> int | None:
    """Return the algorithm that `key` is for: ES256 for P-256, PS256 for RSA of 2,048 bits and more; else None."""
    match key:
        case EllipticCurvePublicKey():
            return ES256 if isinstance(key.curve, SECP256R1) else None
        case RSAPublicKey():
            return PS256 if key.key_size >= SMALLEST_RSA else None
        case _:
            assert_never(key)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return the COSE signature of `data`: r and s in 64 bytes, or the RSA-PSS signature with a salt of 32 bytes."""
    match key:
        case EllipticCurvePrivateKey():
            return _fixed(key.sign(data, _ECDSA))
        case RSAPrivateKey():
            return key.sign(data, _PSS, _SHA256)
        case _:
            assert_never(key)


def verifies(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Return whether `signature` over `data` was made with the private half of `key`."""
    try:
        match key:
            case EllipticCurvePublicKey():
                if len(signature) != 64:
                    return False
                key.verify(_der(signature), data, _ECDSA)
            case RSAPublicKey():
                key.verify(signature, data, _PSS, _SHA256)
            case _:
                assert_never(key)
    except InvalidSignature:
        return False
    return True


def _fixed(signature: bytes) -> bytes:
    """Return r and s in 32 bytes each, of a signature as OpenSSL writes it: SEQUENCE (INTEGER r, INTEGER s), DER."""
    second = 4 + signature[3]
    r, s = signature[4:second], signature[second + 2 :]
    return r[-_HALF:].rjust(_HALF, b"\0") + s[-_HALF:].rjust(_HALF, b"\0")


def _der(signature: bytes) -> bytes:
    """Invert `_fixed`."""
    r, s = _integer(signature[:_HALF]), _integer(signature[_HALF:])
    return bytes((_SEQUENCE, len(r) + len(s))) + r + s


def _integer(number: bytes) -> bytes:
    """Return an unsigned number of at most 127 bytes as a DER INTEGER: no byte too many, the first below 0x80."""
    shortest = number.lstrip(b"\0")
    if not shortest or shortest[0] & 0x80:
        shortest = b"\0" + shortest
    return bytes((_INTEGER, len(shortest))) + shortest
