"""Keys and one good payload for the tests of signing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing import development, hc1
from signing.algorithms import ES256, PS256, PrivateKey
from signing.keys import SigningKey, signing_key
from signing.trust import TrustList

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)

PAYLOAD: dict[str, Any] = {
    "ver": "1.3.0",
    "nam": {"fn": "Nguyễn", "gn": "Bảo Duy", "fnt": "NGUYEN", "gnt": "BAO<DUY"},
    "dob": "1998-02-26",
    "v": [
        {
            "tg": "840539006",
            "vp": "1119349007",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": 2,
            "sd": 2,
            "dt": "2026-09-18",
            "co": "VN",
            "is": "Bộ Y tế",
            "ci": "URN:UVCI:01:VN:10807843F94AEE0EE5093FBC254BD813",
        }
    ],
}


def self_signed(
    key: PrivateKey,
    usages: Sequence[str] = (),
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=700),
) -> bytes:
    """Return a Vietnamese certificate of `key` by itself, limited to `usages` (object identifiers)."""
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(u) for u in usages]), False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def certified(
    key: PrivateKey,
    usages: Sequence[str] = (),
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=700),
) -> SigningKey:
    """Return `key` with a certificate by itself."""
    return signing_key(key, self_signed(key, usages, not_before, not_after))


def p256() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def authority() -> development.Authority:
    return development.authority(NOW - timedelta(days=10))


@pytest.fixture(scope="session")
def es256(authority: development.Authority) -> SigningKey:
    return development.signer(authority, NOW - timedelta(days=5), ES256)


@pytest.fixture(scope="session")
def ps256(authority: development.Authority) -> SigningKey:
    return development.signer(authority, NOW - timedelta(days=5), PS256)


@pytest.fixture(scope="session")
def trust(es256: SigningKey, ps256: SigningKey) -> TrustList:
    return TrustList([es256.signer, ps256.signer])


@pytest.fixture(scope="session")
def certificate(es256: SigningKey) -> str:
    return hc1.issue(PAYLOAD, es256, NOW).text
