"""Authorities of countries and the signers below them, of every kind of key and every purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing import jcs, vdsnc
from signing.algorithms import PrivateKey
from signing.jwk import base64url
from signing.trust import Authority, authority

SEALS, VACCINATION, TEST = vdsnc.SIGNER_USAGE, "1.3.6.1.4.1.1847.2021.1.2", "1.3.6.1.4.1.1847.2021.1.1"
EMAIL = "1.3.6.1.5.5.7.3.4"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
DIGESTS: dict[str, HashAlgorithm] = {"ES256": SHA256(), "ES384": SHA384(), "ES512": SHA512()}


def key(kind: str) -> PrivateKey:
    """Return a new key: ES256, ES384, ES512, RSA, or a curve by its name."""
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(CURVES.get(kind) or getattr(ec, kind)())


@dataclass(frozen=True)
class Signer:
    """A key, and its certificate in DER."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    def seal(self, message: dict[str, Any], algorithm: str = "ES256", type: str = vdsnc.VACCINATION) -> str:
        """Return a seal over `message` by this signer."""
        data = {"hdr": {"t": type, "v": 1, "is": "UTO"}, "msg": message}
        r, s = decode_dss_signature(self.key.sign(jcs.canonical(data), ec.ECDSA(DIGESTS[algorithm])))
        width = (self.key.key_size + 7) // 8
        signature = base64url(r.to_bytes(width, "big") + s.to_bytes(width, "big"))
        sig = {"alg": algorithm, "cer": base64url(self.certificate), "sigvl": signature}
        return jcs.canonical({"data": data, "sig": sig}).decode()


class Country:
    """An authority (CSCA) that may sign as `digest` and `scheme` say."""

    def __init__(
        self,
        now: datetime,
        kind: str = "ES256",
        digest: SHA256 | SHA384 | SHA512 | None = None,
        scheme: padding.PSS | None = None,
        *,
        country: str = "UT",
        named: str = "CSCA",
        days: tuple[int, int] = (-30, 300),
    ):
        self._key, self._now, self._digest, self._scheme = key(kind), now, digest or SHA256(), scheme
        self._name = _name(country, named)
        self.country = country
        self.listed = self._made(self._name, self._key, days, ())

    def authority(self) -> Authority:
        """Return it as it stands on a trust list."""
        return authority(self.listed)

    def signer(
        self,
        usages: Sequence[str] = (SEALS,),
        days: tuple[int, int] = (-10, 100),
        *,
        kind: str = "ES256",
        country: str | None = None,
        key_usage: bool | None = True,
    ) -> Signer:
        """Return a signer below it; `key_usage` says whether it may sign documents, None: nothing about it."""
        made = key(kind)
        assert isinstance(made, ec.EllipticCurvePrivateKey)
        extensions: list[x509.ExtensionType] = []
        if usages:
            extensions.append(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage) for usage in usages]))
        if key_usage is not None:
            others = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "crl_sign"), False)
            others |= dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False)
            extensions.append(x509.KeyUsage(digital_signature=key_usage, key_cert_sign=not key_usage, **others))
        return Signer(made, self._made(_name(country or self.country, "Signer"), made, days, extensions))

    def _made(
        self, subject: x509.Name, made: PrivateKey, days: tuple[int, int], extensions: Sequence[x509.ExtensionType]
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(made.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + timedelta(days=days[0]))
            .not_valid_after(self._now + timedelta(days=days[1]))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, self._digest, rsa_padding=self._scheme).public_bytes(Encoding.DER)


def _name(country: str, common_name: str) -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, country), (NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
