"""The trust list: whose signatures count, found by key identifier, read from files and published as JSON.

https://github.com/eu-digital-green-certificates/dgc-gateway — TrustListDto, whose member names are used here
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signing import der
from signing.algorithms import PublicKey, algorithm
from signing.refusal import Refused

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SUFFIXES = (".pem", ".crt", ".cer", ".der", ".json")


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

    @property
    def thumbprint(self) -> str:
        """Return SHA-256 of the certificate, in hexadecimal."""
        return sha256(self.certificate).hexdigest()


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
    )


class TrustList:
    """Document signers by key identifier; `skipped` says which entries of the source could not be used, and why."""

    def __init__(self, signers: Iterable[DocumentSigner], skipped: Iterable[str] = ()):
        unique = {(signer.kid, signer.certificate): signer for signer in signers}
        self.signers = tuple(unique[key] for key in sorted(unique))
        self.skipped = tuple(skipped)
        self._by_kid: dict[bytes, tuple[DocumentSigner, ...]] = {}
        for signer in self.signers:
            self._by_kid[signer.kid] = (*self._by_kid.get(signer.kid, ()), signer)

    def __len__(self) -> int:
        return len(self.signers)

    def find(self, kid: bytes) -> tuple[DocumentSigner, ...]:
        """Return every signer with this key identifier: it is a hint, and two may share one."""
        return self._by_kid.get(kid, ())

    @cached_property
    def json(self) -> str:
        """The list as it is published; equal lists give equal text."""
        entries = [
            {
                "kid": b64encode(signer.kid).decode(),
                "country": signer.country,
                "certificateType": "DSC",
                "thumbprint": signer.thumbprint,
                "notBefore": signer.not_before.isoformat(),
                "notAfter": signer.not_after.isoformat(),
                "rawData": b64encode(signer.certificate).decode(),
            }
            for signer in self.signers
        ]
        return json.dumps({"certificates": entries}, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `json` in hexadecimal, fit for an ETag."""
        return sha256(self.json.encode()).hexdigest()


def load(path: Path) -> TrustList:
    """Read a certificate (DER, or one or several in PEM), a trust list in JSON, or a folder of such files.

    Entries that cannot be used are named in `skipped`, and so are authorities among the certificates: who is to be a
    signer in spite of that must be on a list in JSON. Raise Refused when nothing is left, OSError when unreadable.
    """
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    lists = [_file(file) for file in files]
    merged = TrustList(
        [signer for trust in lists for signer in trust.signers], [reason for trust in lists for reason in trust.skipped]
    )
    if not merged.signers:
        raise Refused("empty-trust-list", "; ".join((f"no usable signer certificate in {path}", *merged.skipped)))
    return merged


def parse(document: str | bytes, label: str = "trust list") -> TrustList:
    """Read a trust list in JSON: what `TrustList.json` writes, or the array that the gateway publishes.

    Raise Refused when it is neither; single entries that cannot be used are named in `skipped`.
    """
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Refused("not-a-trust-list", f"{label} is not JSON ({error})") from None
    rows = content.get("certificates") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused("not-a-trust-list", f"{label} holds no list of certificates")
    signers = (row for row in rows if row.get("certificateType", "DSC") == "DSC")
    return _collect(
        (f"{label}, entry {number}", _base64(row.get("rawData")), _base64(row.get("kid")))
        for number, row in enumerate(signers)
    )


def _file(file: Path) -> TrustList:
    content = file.read_bytes()
    if content.lstrip()[:1] in (b"{", b"["):
        return parse(content, file.name)
    certificates = [_base64(armored) for armored in _PEM.findall(content)]
    if not certificates and b"PRIVATE KEY" in content:
        return TrustList(())
    return _collect(((file.name, certificate, b"") for certificate in certificates or [content]), authorities=False)


def _collect(entries: Iterable[tuple[str, bytes, bytes]], *, authorities: bool = True) -> TrustList:
    signers: list[DocumentSigner] = []
    skipped: list[str] = []
    for label, certificate, kid in entries:
        try:
            if not authorities and der.read(certificate).signs_certificates_only:
                raise Refused("not-a-signer", "is an authority's certificate, which signs no documents")
            signers.append(document_signer(certificate, kid or None))
        except Refused as refusal:
            skipped.append(f"{label}: {refusal.detail}")
    return TrustList(signers, skipped)


def _base64(text: Any) -> bytes:
    """Return the bytes that `text` stands for; none when it is no Base64, which no certificate is."""
    try:
        return b64decode(text)
    except (ValueError, TypeError):
        return b""
