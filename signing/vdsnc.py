"""Visible digital seals (VDS-NC): canonical JSON, a signature over it, and the certificate of its signer.

ICAO Technical Report VDS-NC, https://www.icao.int/Security/FAL/TRIP/Pages/Publications.aspx; signed by RFC 8785
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from signing import jcs, jws
from signing.algorithms import ES256, PublicKey
from signing.jwk import base64url, unbase64url
from signing.keys import SigningKey
from signing.refusal import Refused

VACCINATION, TEST = "icao.vacc", "icao.test"
VERSION = 1
SIGNER_USAGE = "2.23.136.1.1.14.2"  # extended key usage of those who sign seals
ALGORITHMS: dict[str, tuple[str, HashAlgorithm, int]] = {  # name: curve, digest, bytes of r and of s
    "ES256": ("secp256r1", SHA256(), 32),
    "ES384": ("secp384r1", SHA384(), 48),
    "ES512": ("secp521r1", SHA512(), 66),
}


class Seal(NamedTuple):
    """A seal as it came; nothing in it is verified."""

    header: dict[str, Any]
    message: dict[str, Any]
    algorithm: Any
    certificate: bytes  # DER, of the signer; b"" when the seal carries none
    signature: bytes
    signed: bytes  # what the signature is over


def issue(message: Mapping[str, Any], key: SigningKey, now: datetime, country: str, type: str = VACCINATION) -> str:
    """Return the text of the QR code for `message`; `country` is the issuer's in three letters (VNM).

    Raise Refused when the key is not P-256 or its certificate does not cover `now`.
    """
    if key.algorithm != ES256:
        raise Refused("key-type", "a visible digital seal is signed with P-256 (ES256) here")
    if not key.valid_at(now):
        raise Refused("signer-not-valid", f"the signer's certificate does not cover {now.isoformat()}")
    data = {"hdr": {"t": type, "v": VERSION, "is": country}, "msg": message}
    signature = {
        "alg": "ES256",
        "cer": base64url(key.signer.certificate),
        "sigvl": base64url(key.sign(jcs.canonical(data))),
    }
    return jcs.canonical({"data": data, "sig": signature}).decode()


def parse(text: str) -> Seal:
    """Read the text of a QR code; raise Refused when it is no seal."""
    match jws.json_object(text.encode(), "not-json", "the seal"):
        case {
            "data": {"hdr": dict() as header, "msg": dict() as message} as data,
            "sig": {"sigvl": str() as signature} as sig,
        }:
            certificate = sig.get("cer")
            return Seal(
                header,
                message,
                sig.get("alg"),
                _bytes(certificate) if isinstance(certificate, str) else b"",
                _bytes(signature),
                jcs.canonical(data),
            )
        case _:
            raise Refused("not-vds-nc", "the JSON has no data with hdr and msg, or no sig with sigvl")


def verifies(seal: Seal, key: PublicKey) -> bool:
    """Return whether the signature was made with `key`, which must be for the algorithm that the seal names."""
    if not fits(seal.algorithm, key):
        return False
    assert isinstance(key, EllipticCurvePublicKey)
    _, digest, width = ALGORITHMS[seal.algorithm]
    if len(seal.signature) != 2 * width:
        return False
    r, s = (int.from_bytes(half, "big") for half in (seal.signature[:width], seal.signature[width:]))
    try:
        key.verify(encode_dss_signature(r, s), seal.signed, ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def fits(algorithm: Any, key: PublicKey) -> bool:
    """Return whether `key` is for the algorithm of this name."""
    row = ALGORITHMS.get(algorithm) if isinstance(algorithm, str) else None
    return row is not None and isinstance(key, EllipticCurvePublicKey) and key.curve.name == row[0]


def _bytes(text: str) -> bytes:
    """Return the bytes of Base64url, with or without padding."""
    return unbase64url(text.rstrip("="))
