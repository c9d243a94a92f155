"""The issuer's signing keys: a private key with its certificate, and the set of them that key rotation needs.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signing import algorithms, cbor
from signing.algorithms import NAMES, PrivateKey
from signing.refusal import Refused
from signing.trust import DocumentSigner, TrustList, document_signer

KEY_SUFFIX, CERTIFICATE_SUFFIX = ".key.pem", ".cert.pem"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_ALGORITHM, _KID = 1, 4  # labels of COSE headers


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, the certificate that vouches for it, and the COSE header that both lead to."""

    private_key: PrivateKey = field(repr=False)
    signer: DocumentSigner
    algorithm: int
    protected: bytes  # the encoded header {1: algorithm, 4: kid}, the same for every signature

    @property
    def kid(self) -> bytes:
        """Return the key identifier: the first 8 bytes of SHA-256 of the certificate."""
        return self.signer.kid

    def valid_at(self, now: datetime) -> bool:
        """Return whether the certificate covers `now`."""
        return self.signer.not_before <= now <= self.signer.not_after

    def sign(self, data: bytes) -> bytes:
        """Return the COSE signature of `data`."""
        return algorithms.sign(self.private_key, data)


def signing_key(private_key: PrivateKey, certificate: bytes) -> SigningKey:
    """Join a private key with its DER certificate; raise Refused when they are no pair or fit no algorithm."""
    signer = document_signer(certificate)
    if signer.algorithm is None:
        raise Refused("key-type", "health certificates are signed with P-256 or with RSA of at least 2,048 bits")
    if private_key.public_key() != signer.public_key:
        raise Refused("key-mismatch", "the certificate was made for another key")
    protected = cbor.dumps({_ALGORITHM: signer.algorithm, _KID: signer.kid})
    return SigningKey(private_key, signer, signer.algorithm, protected)


def from_pem(key: bytes, certificate: bytes, password: bytes | None = None) -> SigningKey:
    """Read a key and its certificate in PEM (of a chain, the first); raise Refused when they cannot sign."""
    try:
        private_key = load_pem_private_key(key, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("unreadable-key", f"the private key cannot be read ({error})") from None
    if not isinstance(private_key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise Refused("key-type", "health certificates are signed with P-256 or with RSA of at least 2,048 bits")
    armored = _CERTIFICATE.search(certificate)
    if armored is None:
        raise Refused("not-a-certificate", "the certificate file holds no PEM certificate")
    return signing_key(private_key, b64decode(armored[1]))


class SignerSet:
    """All keys of one issuer: one of them signs, the others stay so that what they signed still verifies."""

    def __init__(self, keys: Iterable[SigningKey]):
        self.keys = tuple(sorted(keys, key=lambda key: (key.signer.not_before, key.kid), reverse=True))

    def signer(self, now: datetime, algorithm: int | None = None) -> SigningKey:
        """Return the key that signs at `now`: of those whose certificate covers it, the newest.

        `algorithm` asks for ES256 or PS256. Raise Refused when no key fits.
        """
        for key in self.keys:
            if key.valid_at(now) and algorithm in (None, key.algorithm):
                return key
        wanted = f" for {NAMES.get(algorithm, algorithm)}" if algorithm is not None else ""
        raise Refused("no-signer", f"none of the {len(self.keys)} signing keys{wanted} is valid at {now.isoformat()}")

    def trust_list(self) -> TrustList:
        """Return the public half of every key, old ones included."""
        return TrustList(key.signer for key in self.keys)


def load(folder: Path, password: bytes | None = None) -> SignerSet:
    """Read every `NAME.key.pem` in `folder` that has a `NAME.cert.pem` beside it, certificate authorities left out.

    Raise Refused naming the file when one cannot be used or when there is none; OSError when unreadable.
    """
    keys: list[SigningKey] = []
    for key_file in sorted(folder.glob(f"*{KEY_SUFFIX}")):
        certificate_file = key_file.with_name(key_file.name.removesuffix(KEY_SUFFIX) + CERTIFICATE_SUFFIX)
        if key_file.name.startswith("csca") or not certificate_file.exists():
            continue
        try:
            keys.append(from_pem(key_file.read_bytes(), certificate_file.read_bytes(), password))
        except Refused as refusal:
            raise Refused(refusal.code, f"{key_file.name}: {refusal.detail}") from None
    if not keys:
        raise Refused("no-signer", f"no signing key (*{KEY_SUFFIX} beside *{CERTIFICATE_SUFFIX}) in {folder}")
    return SignerSet(keys)
