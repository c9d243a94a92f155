"""Certificate chains of those who sign records: from the signer up to an authority that is trusted here.

https://www.rfc-editor.org/rfc/rfc5280#section-6.1 — the part of path validation that signers of documents need: names,
signatures, periods, authority or not, key usage. Policies and name constraints are left to who chooses the authorities.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing import keys
from signing.refusal import Refused

_SUFFIXES: Final = (".pem", ".crt", ".cer", ".der")
LONGEST: Final = 6  # certificates in a chain
_REMEMBERED: Final = 2048  # the same few certificates are met with every dose; no answer kept depends on the time
_UNREADABLE: Final = (  # what the library raises for a certificate that is none
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
# Where certificates say whose they are: organizationIdentifier (ETSI EN 319 412-1), UID (as Vietnamese authorities
# write `MST:0100109106`), serialNumber.
_IDENTIFIERS: Final = (NameOID.ORGANIZATION_IDENTIFIER, NameOID.USER_ID, NameOID.SERIAL_NUMBER)


class Authorities:
    """The authorities that are trusted, by subject."""

    def __init__(self, certificates: Iterable[x509.Certificate] = ()):
        self._by_subject: dict[x509.Name, list[x509.Certificate]] = {}
        for certificate in certificates:
            self._by_subject.setdefault(certificate.subject, []).append(certificate)

    def __len__(self) -> int:
        return sum(map(len, self._by_subject.values()))

    @lru_cache(maxsize=_REMEMBERED)  # noqa: B019 — there is one list of authorities, and it lives as long as the process
    def above(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Return the authority that signed `certificate`, or that it is itself; None when none did."""
        for candidate in self._by_subject.get(certificate.issuer, ()):
            if _issued(certificate, candidate):
                return candidate
        return next((each for each in self._by_subject.get(certificate.subject, ()) if each == certificate), None)


def load(path: Path) -> Authorities:
    """Read the authorities in a file (PEM or DER) or a folder of such; raise Refused when there is none, OSError."""
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    found: list[x509.Certificate] = []
    for file in files:
        try:
            found += map(_certificate, keys.certificates(file.read_bytes()))
        except Refused as refusal:
            raise Refused(refusal.code, f"{file.name}: {refusal.detail}") from None
    if not found:
        raise Refused("no-authority", f"no certificate of an authority in {path}")
    return Authorities(found)


def read(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """Read DER certificates, the signer's first; raise Refused when one is none or there are too many."""
    if not 0 < len(chain) <= LONGEST:
        raise Refused("chain-length", f"a chain has 1 to {LONGEST} certificates, not {len(chain)}")
    return [_certificate(each) for each in chain]


def require_trusted(chain: Sequence[x509.Certificate], trusted: Authorities, at: datetime) -> None:
    """Raise Refused unless `chain`, the signer first, leads to one of `trusted` and every certificate covers `at`."""
    signer = chain[0]
    usage = _extension(signer, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not (usage.digital_signature or usage.content_commitment):
        raise Refused("key-usage", "the signer's certificate is not for signatures")
    for place, certificate in enumerate(chain):
        _require_covers(certificate, at)
        if place:
            _require_authority(certificate)
            if not _issued(chain[place - 1], certificate):
                raise Refused("chain-broken", f"certificate {place} of the chain was not issued by the next one")
    anchor = trusted.above(chain[-1])
    if anchor is None:
        raise Refused("chain-untrusted", "the chain leads to no authority that is trusted here")
    if anchor != chain[-1]:
        _require_covers(anchor, at)
    elif len(chain) == 1:
        return  # the signer itself was put on the list
    _require_authority(anchor)


@lru_cache(maxsize=_REMEMBERED)
def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Return the key of `certificate`; raise Refused when it cannot be read."""
    try:
        return certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("unreadable-key", f"the key of the signer cannot be read ({error})") from None


@lru_cache(maxsize=_REMEMBERED)
def identifiers(certificate: x509.Certificate) -> frozenset[str]:
    """Return what the subject is called by: each value whole, and what follows its scheme (`MST:`, `VATVN-`)."""
    found: set[str] = set()
    for kind in _IDENTIFIERS:
        for attribute in certificate.subject.get_attributes_for_oid(kind):
            value = str(attribute.value)
            found |= {value, value.partition(":")[2]}
            if kind == NameOID.ORGANIZATION_IDENTIFIER:
                found.add(value.partition("-")[2])
    return frozenset(found - {""})


def der(certificate: x509.Certificate) -> bytes:
    """Return `certificate` in DER."""
    return certificate.public_bytes(Encoding.DER)


@lru_cache(maxsize=_REMEMBERED)
def _certificate(content: bytes) -> x509.Certificate:
    try:
        read = x509.load_der_x509_certificate(content)
        # All that is asked later is read now: the library finds out only then what is wrong with it.
        _ = read.subject, read.issuer, read.not_valid_before_utc, read.not_valid_after_utc, read.extensions
    except _UNREADABLE as error:
        raise Refused("not-a-certificate", f"a certificate cannot be read ({error})") from None
    return read


@lru_cache(maxsize=_REMEMBERED)
def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _require_covers(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        name = certificate.subject.rfc4514_string()
        raise Refused("chain-expired", f"the certificate of {name} does not cover {at.isoformat()}")


def _require_authority(certificate: x509.Certificate) -> None:
    constraints = _extension(certificate, x509.BasicConstraints)
    if not (isinstance(constraints, x509.BasicConstraints) and constraints.ca):
        raise Refused("not-an-authority", f"{certificate.subject.rfc4514_string()} may issue no certificates")


@lru_cache(maxsize=_REMEMBERED)
def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except _UNREADABLE as error:
        raise Refused("not-a-certificate", f"an extension of the certificate cannot be read ({error})") from None
