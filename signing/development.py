"""Keys for development and demonstrations: a certificate authority (CSCA) and document signers under it.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#52-certificate-requirements

Their names say that they vouch for nothing; a country's real keys come from its own authority.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing import enrolment, keystore
from signing.algorithms import ES256, NAMES, PrivateKey
from signing.keys import CERTIFICATE_SUFFIX, KEY_SUFFIX, SigningKey, State, signing_key
from signing.refusal import Refused

AUTHORITY_DAYS, SIGNER_DAYS = 4 * 365, 2 * 365  # https://smart.who.int/trust — certificate governance

CERTIFICATES = x509.KeyUsage(  # an authority signs certificates and their revocation lists
    key_cert_sign=True,
    crl_sign=True,
    **dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False),
    **dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False),
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its key and its self-signed certificate."""

    private_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def authority(now: datetime, country: str = "VN") -> Authority:
    """Make a P-256 authority that is valid for four years from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(country, "Development CSCA - vouches for nothing")
    certificate = (
        _builder(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(CERTIFICATES, critical=True)
        .sign(key, SHA256())
    )
    return Authority(key, certificate)


def signer(
    under: Authority, now: datetime, algorithm: int = ES256, country: str = "VN", days: int = SIGNER_DAYS
) -> SigningKey:
    """Make a document signer for vaccination certificates, valid for `days` from `now`, but no longer than `under`."""
    key, certificate = _signer(under, now, algorithm, country, days)
    return signing_key(key, certificate.public_bytes(Encoding.DER))


def _signer(
    under: Authority, now: datetime, algorithm: int, country: str, days: int
) -> tuple[PrivateKey, x509.Certificate]:
    key: PrivateKey = keystore.generate(algorithm, rsa_bits=2048)  # as the ministry's own signer of 2021 has
    name = _name(country, f"Development DSC {NAMES[algorithm]} - vouches for nothing")
    remaining = (under.certificate.not_valid_after_utc - now).days
    certificate = (
        _builder(name, under.certificate.subject, key, now, min(days, remaining))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(enrolment.DOCUMENTS, critical=True)
        .add_extension(enrolment.APPOINTED, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(under.private_key.public_key()), critical=False
        )
        .sign(under.private_key, SHA256())
    )
    return key, certificate


def generate(
    folder: Path,
    now: datetime,
    algorithm: int = ES256,
    country: str = "VN",
    *,
    passphrase: bytes | None = None,
    state: State = State.CURRENT,
) -> SigningKey:
    """Add a document signer to `folder`, made if need be, under the authority kept there; key files get mode 0600.

    Raise Refused when the authority kept there cannot be used, OSError when the folder cannot be written.
    """
    if (folder / f"csca{CERTIFICATE_SUFFIX}").exists():
        above = _read_authority(folder, passphrase)
    else:
        above = authority(now, country)
        _write(folder, "csca", above.private_key, above.certificate, passphrase)
    private_key, certificate = _signer(above, now, algorithm, country, SIGNER_DAYS)
    made = signing_key(private_key, certificate.public_bytes(Encoding.DER), state)
    if state != State.CURRENT:
        keystore.write_states(folder, {made.kid.hex(): state})
    _write(folder, f"dsc-{NAMES[algorithm].lower()}-{made.kid.hex()}", private_key, certificate, passphrase)
    return made


def _read_authority(folder: Path, passphrase: bytes | None) -> Authority:
    try:
        key = keystore.read_key((folder / f"csca{KEY_SUFFIX}").read_bytes(), passphrase)
        certificate = x509.load_pem_x509_certificate((folder / f"csca{CERTIFICATE_SUFFIX}").read_bytes())
    except ValueError as error:  # Refused is one
        raise Refused("unreadable-key", f"the authority in {folder} cannot be read ({error})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused("key-type", f"the authority in {folder} has no elliptic curve key")
    return Authority(key, certificate)


def _write(folder: Path, name: str, key: PrivateKey, certificate: x509.Certificate, passphrase: bytes | None) -> None:
    keystore.write_key(folder, name, key, passphrase)
    keystore.write(folder / f"{name}{CERTIFICATE_SUFFIX}", certificate.public_bytes(Encoding.PEM))


def _name(country: str, common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, country), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
