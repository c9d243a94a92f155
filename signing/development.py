"""Keys for development and demonstrations: a certificate authority (CSCA) and document signers under it.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#52-certificate-requirements

Their names say that they vouch for nothing; a country's real keys come from its own authority.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from signing.algorithms import ES256, NAMES, PS256, PrivateKey
from signing.keys import CERTIFICATE_SUFFIX, KEY_SUFFIX, SigningKey, signing_key
from signing.refusal import Refused

VACCINATION = x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.2")
AUTHORITY_DAYS, SIGNER_DAYS = 4 * 365, 2 * 365  # https://smart.who.int/trust — certificate governance


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
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, SHA256())
    )
    return Authority(key, certificate)


def signer(
    under: Authority, now: datetime, algorithm: int = ES256, country: str = "VN", days: int = SIGNER_DAYS
) -> SigningKey:
    """Make a document signer for vaccination certificates, valid for `days` from `now`, but no longer than `under`."""
    key: PrivateKey
    match algorithm:
        case -7:
            key = ec.generate_private_key(ec.SECP256R1())
        case -37:
            key = rsa.generate_private_key(65537, 2048)
        case _:
            raise Refused("algorithm", f"{algorithm} is neither ES256 ({ES256}) nor PS256 ({PS256})")
    name = _name(country, f"Development DSC {NAMES[algorithm]} - vouches for nothing")
    remaining = (under.certificate.not_valid_after_utc - now).days
    certificate = (
        _builder(name, under.certificate.subject, key, now, min(days, remaining))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([VACCINATION]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(under.private_key.public_key()), critical=False
        )
        .sign(under.private_key, SHA256())
    )
    return signing_key(key, certificate.public_bytes(Encoding.DER))


def generate(folder: Path, now: datetime, algorithm: int = ES256, country: str = "VN") -> SigningKey:
    """Add a document signer to `folder`, made if need be, under the authority kept there; key files get mode 0600.

    Raise Refused when the authority kept there cannot be used, OSError when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / f"csca{CERTIFICATE_SUFFIX}").exists():
        above = _read_authority(folder)
    else:
        above = authority(now, country)
        _write(folder, "csca", above.private_key, above.certificate)
    made = signer(above, now, algorithm, country)
    name = f"dsc-{NAMES[algorithm].lower()}-{made.kid.hex()}"
    _write(folder, name, made.private_key, x509.load_der_x509_certificate(made.signer.certificate))
    return made


def _read_authority(folder: Path) -> Authority:
    try:
        key = load_pem_private_key((folder / f"csca{KEY_SUFFIX}").read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((folder / f"csca{CERTIFICATE_SUFFIX}").read_bytes())
    except (ValueError, TypeError) as error:
        raise Refused("unreadable-key", f"the authority in {folder} cannot be read ({error})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused("key-type", f"the authority in {folder} has no elliptic curve key")
    return Authority(key, certificate)


def _write(folder: Path, name: str, key: PrivateKey, certificate: x509.Certificate) -> None:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(folder / f"{name}{KEY_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
    (folder / f"{name}{CERTIFICATE_SUFFIX}").write_bytes(certificate.public_bytes(Encoding.PEM))


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


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
