"""The trust list: whose signatures count, found by key identifier.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models and
https://spec.smarthealth.cards/#determining-keys-associated-with-an-issuer
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signing import der, jwk
from signing.algorithms import ES256, PublicKey, algorithm
from signing.refusal import Refused

_DIGESTS = (SHA256, SHA384, SHA512)  # that an authority may sign with; two certificates can have one SHA-1


@dataclass(frozen=True, slots=True)
class DocumentSigner:
    """A document signer certificate (DSC) and what decides whether its signatures count."""

    kid: bytes
    certificate: bytes = field(repr=False)  # DER
    country: str | None
    not_before: datetime
    not_after: datetime
    extended_key_usage: frozenset[str]
    public_key: PublicKey = field(repr=False, compare=False)
    algorithm: int | None  # None: no algorithm of health certificates fits this key
    origins: tuple[str, ...] = ()  # addresses of the issuer, of which a health card may come
    signs_documents: bool = True  # by its key usage
    listed: bool = True  # False: an authority on the list vouches for it

    @property
    def thumbprint(self) -> str:
        """Return SHA-256 of the certificate, in hexadecimal."""
        return sha256(self.certificate).hexdigest()


class CardKey(NamedTuple):
    """A key that signs SMART Health Cards, known by its thumbprint (RFC 7638) and the address that published it."""

    kid: str
    public_key: PublicKey
    origin: str | None  # None: whoever gave the key did not say whose it is
    list_version: int | None = None  # `crlVersion`: the newest revocation list that the issuer says to have
    signer: DocumentSigner | None = None  # the certificate that vouches for it, if that is why it is trusted


class Authority(NamedTuple):
    """A country's certificate authority (CSCA): it vouches for the certificates that travel inside digital seals."""

    certificate: bytes  # DER
    country: str | None
    not_before: datetime
    not_after: datetime


@lru_cache(maxsize=2048)  # a batch names the same few signers again and again
def document_signer(certificate: bytes, kid: bytes | None = None) -> DocumentSigner:
    """Read a DER certificate; `kid` is the first 8 bytes of its SHA-256 unless the list that names it says otherwise.

    Raise Refused when it is no certificate, or its key is neither elliptic curve nor RSA.
    """
    fields = der.read(certificate)
    try:
        key = load_der_public_key(fields.public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("unreadable-key", f"the public key of the certificate cannot be read ({error})") from None
    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
        raise Refused("unreadable-key", "the public key of the certificate is neither elliptic curve nor RSA")
    return DocumentSigner(
        kid or sha256(certificate).digest()[:8],
        certificate,
        fields.country,
        fields.not_before,
        fields.not_after,
        frozenset(fields.extended_key_usage),
        key,
        algorithm(key),
        fields.uris,
        fields.signs_documents,
    )


def authority(certificate: bytes) -> Authority:
    """Read the DER certificate of an authority; raise Refused when it is none."""
    fields = der.read(certificate)
    return Authority(certificate, fields.country, fields.not_before, fields.not_after)


def card_key(key: dict[str, Any], origin: str | None) -> CardKey:
    """Read a key of a JWK Set; raise Refused when it signs no health cards or its `kid` is not its thumbprint."""
    public_key = jwk.read(key)
    if algorithm(public_key) != ES256:
        raise Refused("key-type", "health cards are signed with P-256 only")
    kid = jwk.thumbprint(public_key)
    if key.get("kid", kid) != kid:
        raise Refused("kid-mismatch", "the kid of the key is not its thumbprint")
    version = key.get("crlVersion")
    return CardKey(kid, public_key, origin, version if type(version) is int else None)


class TrustList:
    """Who is trusted; `skipped` says which entries of the source could not be used, and why."""

    def __init__(
        self,
        signers: Iterable[DocumentSigner],
        skipped: Iterable[str] = (),
        cards: Iterable[CardKey] = (),
        authorities: Iterable[Authority] = (),
    ):
        unique = {(signer.kid, signer.certificate): signer for signer in signers}
        self.signers = tuple(unique[key] for key in sorted(unique))
        self.skipped = tuple(skipped)
        self.cards = tuple(cards)
        self.authorities = tuple(dict.fromkeys(authorities))
        self._by_kid: dict[bytes, tuple[DocumentSigner, ...]] = {}
        for signer in self.signers:
            self._by_kid[signer.kid] = (*self._by_kid.get(signer.kid, ()), signer)

    def __len__(self) -> int:
        return len(self.signers) + len(self.cards)

    def __or__(self, other: "TrustList") -> "TrustList":
        """Return everybody on either list."""
        return TrustList(
            (*self.signers, *other.signers),
            (*self.skipped, *other.skipped),
            (*self.cards, *other.cards),
            (*self.authorities, *other.authorities),
        )

    def without(self, kids: Iterable[str]) -> "TrustList":
        """Return the list without the signers of these key identifiers (hexadecimal)."""
        gone = set(kids)
        signers = (signer for signer in self.signers if signer.kid.hex() not in gone)
        return TrustList(signers, self.skipped, self.cards, self.authorities)

    def find(self, kid: bytes) -> tuple[DocumentSigner, ...]:
        """Return every signer with this key identifier: it is a hint, and two may share one."""
        return self._by_kid.get(kid, ())

    @property
    def only(self) -> DocumentSigner | None:
        """Return the signer of a list that holds just one; None for any other."""
        return self.signers[0] if len(self.signers) == 1 else None

    def card_keys(self, kid: str) -> tuple[CardKey, ...]:
        """Return every key with this thumbprint: published by issuers of health cards, or a trusted signer's."""
        return self._by_thumbprint.get(kid, ())

    def vouched(self, certificate: bytes) -> DocumentSigner | None:
        """Return the signer of a certificate that is listed itself, or was signed by a listed authority; else None.

        An authority vouches for nobody longer than for itself: the signer's period ends with the authority's.
        """
        listed = self._by_certificate.get(certificate)
        if listed or not self.authorities:
            return listed
        try:
            signer = document_signer(certificate)
        except Refused:
            return None
        above = [
            each
            for each in self.authorities
            if each.country == signer.country and _issued(certificate, each.certificate)
        ]
        if not above:
            return None
        longest = max(above, key=lambda each: each.not_after)
        return replace(
            signer,
            not_before=max(signer.not_before, longest.not_before),
            not_after=min(signer.not_after, longest.not_after),
            listed=False,
        )

    def every_card_key(self) -> Iterator[CardKey]:
        """Return the keys that issuers of health cards published, and those that the certificates of signers hold.

        A certificate that names no origin adds nothing to a key whose origin is known.
        """
        yield from self.cards
        pinned = {key.kid for key in self.cards}
        for signer in self.signers:
            if signer.algorithm == ES256:
                kid = jwk.thumbprint(signer.public_key)
                for origin in signer.origins or (() if kid in pinned else (None,)):
                    yield CardKey(kid, signer.public_key, origin, None, signer)

    @cached_property
    def _by_certificate(self) -> dict[bytes, DocumentSigner]:
        return {signer.certificate: signer for signer in reversed(self.signers)}

    @cached_property
    def _by_thumbprint(self) -> dict[str, tuple[CardKey, ...]]:
        found: dict[str, tuple[CardKey, ...]] = {}
        for key in self.every_card_key():
            found[key.kid] = (*found.get(key.kid, ()), key)
        return found

    @cached_property
    def json(self) -> str:
        """The signers and authorities in an object that names them; equal lists give equal text."""
        return f'{{"certificates":{self.gateway}}}'

    @cached_property
    def gateway(self) -> str:
        """The signers and authorities in an array, as the gateway publishes them (TrustListDto)."""
        rows: list[tuple[str, bytes, DocumentSigner | Authority]]
        rows = [("DSC", signer.kid, signer) for signer in self.signers]
        rows += [("CSCA", sha256(above.certificate).digest()[:8], above) for above in self.authorities]
        entries = [
            {
                "kid": b64encode(kid).decode(),
                "timestamp": listed.not_before.isoformat(),
                "country": listed.country,
                "certificateType": type,
                "thumbprint": sha256(listed.certificate).hexdigest(),
                "notBefore": listed.not_before.isoformat(),
                "notAfter": listed.not_after.isoformat(),
                "rawData": b64encode(listed.certificate).decode(),
            }
            for type, kid, listed in rows
        ]
        return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `json` in hexadecimal, fit for an ETag."""
        return sha256(self.json.encode()).hexdigest()


@lru_cache(
    maxsize=2048
)  # a signer is met again and again; whether its certificate is valid on a day is asked elsewhere
def _issued(certificate: bytes, authority: bytes) -> bool:
    """Return whether the holder of the one DER certificate signed the other, by name and by signature."""
    try:
        below = x509.load_der_x509_certificate(certificate)
        below.verify_directly_issued_by(x509.load_der_x509_certificate(authority))
        unused = certificate[-len(below.signature) - 1]  # bits of the last byte: a signature is written in one way only
        return unused == 0 and isinstance(below.signature_hash_algorithm, _DIGESTS)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion):
        return False


def collect(entries: Iterable[tuple[str, bytes, bytes]], *, authorities: bool = True) -> TrustList:
    """Return the signers of `entries` (label, DER certificate, kid or b""); those that cannot be used are skipped.

    Unless `authorities` may sign too, their certificates are kept apart as authorities.
    """
    signers: list[DocumentSigner] = []
    above: list[Authority] = []
    skipped: list[str] = []
    for label, certificate, kid in entries:
        try:
            if not authorities and der.read(certificate).signs_certificates_only:
                above.append(authority(certificate))
                skipped.append(f"{label}: is an authority's certificate, which signs no documents")
            else:
                signers.append(document_signer(certificate, kid or None))
        except Refused as refusal:
            skipped.append(f"{label}: {refusal.detail}")
    return TrustList(signers, skipped, authorities=above)


def base64(text: Any) -> bytes:
    """Return the bytes that `text` stands for; none when it is no Base64, which no certificate is."""
    try:
        return b64decode(text)
    except (ValueError, TypeError):
        return b""
