"""The issuer's signing keys: a private key with its certificate, and the set of them that key rotation needs.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signing import algorithms, cbor
from signing.algorithms import ES256, NAMES, PrivateKey
from signing.refusal import Refused
from signing.trust import DocumentSigner, TrustList, document_signer

KEY_SUFFIX, CERTIFICATE_SUFFIX, TOKEN_SUFFIX = ".key.pem", ".cert.pem", ".pkcs11.json"
_SEQUENCE = b"\x30"  # DER
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_ALGORITHM, _KID = 1, 4  # labels of COSE headers
_IN_MEMORY = (EllipticCurvePrivateKey, RSAPrivateKey)


class State(StrEnum):
    """What a key is for: one signs, one waits until verifiers have it, old ones verify, lost ones do nothing more."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"
    COMPROMISED = "compromised"


class Token(Protocol):
    """A private key that stays in a device."""

    def cose_signature(self, data: bytes) -> bytes:
        """Return the COSE signature of `data`."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, the certificate that vouches for it, and the COSE header that both lead to."""

    private_key: PrivateKey | Token = field(repr=False)
    signer: DocumentSigner
    algorithm: int
    protected: bytes  # the encoded header {1: algorithm, 4: kid}, the same for every signature
    state: State = State.CURRENT

    @property
    def kid(self) -> bytes:
        """Return the key identifier: the first 8 bytes of SHA-256 of the certificate."""
        return self.signer.kid

    def valid_at(self, now: datetime) -> bool:
        """Return whether the certificate covers `now`."""
        return self.signer.not_before <= now <= self.signer.not_after

    @property
    def signature_size(self) -> int:
        """Return how many bytes its signatures have."""
        return 64 if self.algorithm == ES256 else (self.signer.public_key.key_size + 7) // 8

    def sign(self, data: bytes) -> bytes:
        """Return the COSE signature of `data`."""
        key = self.private_key
        return algorithms.sign(key, data) if isinstance(key, _IN_MEMORY) else key.cose_signature(data)


def signing_key(private_key: PrivateKey, certificate: bytes, state: State = State.CURRENT) -> SigningKey:
    """Join a private key with its DER certificate; raise Refused when they are no pair or fit no algorithm."""
    key = token_key(private_key, certificate, state)
    if private_key.public_key() != key.signer.public_key:
        raise Refused("key-mismatch", "the certificate was made for another key")
    return key


def token_key(private_key: PrivateKey | Token, certificate: bytes, state: State = State.CURRENT) -> SigningKey:
    """Join a key with its DER certificate, taking for granted that they belong together; raise Refused as above."""
    signer = document_signer(certificate)
    if signer.algorithm is None:
        raise Refused("key-type", "health certificates are signed with P-256 or with RSA of at least 2,048 bits")
    protected = cbor.dumps({_ALGORITHM: signer.algorithm, _KID: signer.kid})
    return SigningKey(private_key, signer, signer.algorithm, protected, state)


def from_pem(key: bytes, certificate: bytes, password: bytes | None = None) -> SigningKey:
    """Read a key and its certificate in PEM (of a chain, the first); raise Refused when they cannot sign."""
    try:
        private_key = load_pem_private_key(key, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("unreadable-key", f"the private key cannot be read ({error})") from None
    if not isinstance(private_key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise Refused("key-type", "health certificates are signed with P-256 or with RSA of at least 2,048 bits")
    return signing_key(private_key, unarmored(certificate))


def unarmored(certificate: bytes) -> bytes:
    """Return the first certificate of a PEM file in DER; raise Refused when there is none."""
    return certificates(certificate)[0]


def certificates(file: bytes) -> list[bytes]:
    """Return the certificates of a PEM file, or the one of a DER file, in DER; raise Refused when there is none."""
    try:
        found = [b64decode(armored) for armored in _CERTIFICATE.findall(file)]
    except ValueError:
        raise Refused("not-a-certificate", "the certificate file holds no Base64") from None
    if not found and file[:1] == _SEQUENCE:
        return [file]
    if not found:
        raise Refused("not-a-certificate", "the certificate file holds no certificate in PEM or DER")
    return found


class SignerSet:
    """All keys of one issuer: the current ones sign, the others stay so that what they signed still verifies."""

    def __init__(self, keys: Iterable[SigningKey]):
        self.keys = tuple(sorted(keys, key=lambda key: (key.signer.not_before, key.kid), reverse=True))

    def signer(self, now: datetime, algorithm: int | None = None) -> SigningKey:
        """Return the key that signs at `now`: of the current ones whose certificate covers it, the newest.

        `algorithm` asks for ES256 or PS256. Raise Refused when no key fits.
        """
        for key in self.keys:
            if key.state == State.CURRENT and key.valid_at(now) and algorithm in (None, key.algorithm):
                return key
        wanted = f" for {NAMES.get(algorithm, algorithm)}" if algorithm is not None else ""
        raise Refused("no-signer", f"none of the {len(self.keys)} signing keys{wanted} is valid at {now.isoformat()}")

    def trust_list(self) -> TrustList:
        """Return the public half of every key, old and coming ones included, compromised ones not."""
        return TrustList(key.signer for key in self.keys if key.state != State.COMPROMISED)
