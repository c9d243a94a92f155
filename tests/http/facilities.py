"""Facilities that sign doses: a certificate authority, certificates under it, detached signatures.

https://www.rfc-editor.org/rfc/rfc7515#appendix-F
"""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing import algorithms, detached

Json = dict[str, Any]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

CODE = "http://fhir.hl7.org.vn/core/sid/ma-cskcb"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Signer:
    """Somebody with a certificate."""

    key: Key
    chain: tuple[x509.Certificate, ...]

    def sign(self, content: bytes, algorithm: str | None = None) -> str:
        """Return the detached JWS of `content`."""
        named = algorithm or ("ES256" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "PS256")
        signing: Callable[[bytes], bytes] = lambda data: algorithms.sign(self.key, data)  # noqa: E731
        if named == "RS256":
            assert isinstance(self.key, rsa.RSAPrivateKey)
            own = self.key
            signing = lambda data: own.sign(data, PKCS1v15(), SHA256())  # noqa: E731
        return detached.sign(content, named, [each.public_bytes(Encoding.DER) for each in self.chain], signing)


@dataclass(frozen=True)
class Authority:
    """A certificate authority, root or not."""

    key: Key
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def below(self, name: str) -> "Authority":
        """Return an authority under this one."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate(name, key, self.certificate.subject, self.key, authority=True)
        return Authority(key, made, (made, *self.above))

    def signer(self, identifier: str, key: Key | None = None, **options: Any) -> Signer:
        """Return somebody whose certificate names `identifier`."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        made = certificate("Trạm Y tế", key, self.certificate.subject, self.key, identifier=identifier, **options)
        return Signer(key, (made, *self.above))


def authority(name: str = "Test CA", key: Key | None = None) -> Authority:
    key = key or ec.generate_private_key(ec.SECP256R1())
    return Authority(key, certificate(name, key, None, key, authority=True))


def certificate(
    name: str,
    key: Key,
    issuer: x509.Name | None,
    issuer_key: Key,
    *,
    identifier: str | None = None,
    authority: bool = False,
    start: datetime | None = None,
    days: int = 365,
    signs: bool = True,
) -> x509.Certificate:
    parts = [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if identifier:
        parts.append(x509.NameAttribute(NameOID.USER_ID, identifier))
    subject = x509.Name(parts)
    start = start or datetime.now(UTC) - DAY
    usage = x509.KeyUsage(signs and not authority, False, not signs, False, False, authority, authority, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, SHA256())
    )


def organization(id: str, code: str) -> Json:
    return {
        "resourceType": "Organization",
        "id": id,
        "name": f"Cơ sở {code}",
        "identifier": [{"system": CODE, "value": code}],
    }


def performed_by(id: str) -> list[Json]:
    return [{"actor": {"reference": f"Organization/{id}"}}]


async def input_of(client: httpx.AsyncClient, dose: str) -> bytes:
    """Return the bytes that the facility of a dose signs."""
    answer = await client.get(f"/fhir/Immunization/{dose}/$signing-input")
    assert answer.status_code == 200, answer.text
    return b64decode(answer.json()["parameter"][0]["valueBase64Binary"])


def signatures(*rows: tuple[str, str]) -> Json:
    """Return the Parameters of $sign-doses."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "signature",
                "part": [
                    {"name": "dose", "valueReference": {"reference": f"Immunization/{dose}"}},
                    {"name": "jws", "valueString": jws},
                ],
            }
            for dose, jws in rows
        ],
    }
