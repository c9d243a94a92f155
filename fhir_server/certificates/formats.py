"""The formats that certificates are issued in: for each, which doses it attests and how it is written and signed.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec · https://spec.smarthealth.cards/ · https://smart.who.int/icvp/
and ICAO Technical Report VDS-NC
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from fhir_server.certificates import dcc, icvp, shc, vdsnc
from fhir_server.certificates.doses import Dose
from signing import cwt, hc1, jwk, jws, revocation
from signing import shc as cards
from signing import vdsnc as seals
from signing.algorithms import ES256
from signing.keys import SignerSet, SigningKey
from signing.refusal import Refused

Json = dict[str, Any]

COUNTRY: Final = "VN"
IDENTITY: Final = ("Patient.name", "Patient.birthDate")  # what a health card says of a person unless asked for more


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues: the name that certificates state, the address of the keys, the keys, a secret for revocation."""

    name: str
    url: str
    keys: SignerSet
    secret: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: a certificate of this person's doses against `target` (None: what the format is for)."""

    patient: Json
    immunizations: Sequence[Json]
    target: str | None
    uvci: str
    now: datetime
    algorithm: int | None = None  # ES256 or PS256; None: that of the newest key
    identity: tuple[str, ...] = IDENTITY
    doses: tuple[Dose, ...] = ()  # what Format.attest says, when it is known already


class Written(NamedTuple):
    """A signed certificate: its text, what it attests, and by what it can be revoked."""

    text: str
    disease: str
    doses: tuple[Dose, ...]  # those it counts, the latest last
    kid: str  # as the format names it
    hashes: tuple[str, ...]
    issued: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its media type, and how an order is carried out."""

    code: str
    media_type: str
    attest: Callable[[str | None, Sequence[Json]], list[Dose]]  # the doses that it counts; raises Unprocessable
    write: Callable[[Order, Issuer], Written]
    qr: Callable[[str], str] = str  # from the text kept to the text of the QR code


def _dcc_doses(target: str | None, immunizations: Sequence[Json]) -> list[Dose]:
    return dcc.completed(target or dcc.COVID_19, immunizations)


def _hc1(order: Order, issuer: Issuer) -> Written:
    target = order.target or dcc.COVID_19
    counted = order.doses or _dcc_doses(target, order.immunizations)
    payload = dcc.certified(order.patient, counted, target=target, issuer=issuer.name, uvci=order.uvci)
    key = issuer.keys.signer(order.now, order.algorithm)
    made = hc1.issue(payload, key, order.now)
    return _signed(made, key, target, counted, order.uvci)


def _icvp(order: Order, issuer: Issuer) -> Written:
    counted = order.doses or icvp.attested(order.target, order.immunizations)
    payload = icvp.payload(order.patient, counted, target=order.target, issuer=issuer.name)
    key = issuer.keys.signer(order.now, order.algorithm)
    made = hc1.issue(payload, key, order.now, kind=cwt.ICVP)
    return _signed(made, key, order.target or icvp.YELLOW_FEVER, counted, None)


def _signed(made: hc1.Issued, key: SigningKey, disease: str, counted: Sequence[Dose], uvci: str | None) -> Written:
    found = _hashes(made.signature, uvci, elliptic=key.algorithm == ES256)
    return Written(made.text, disease, tuple(counted), made.kid.hex(), found, made.issued, made.expires)


def _shc(order: Order, issuer: Issuer) -> Written:
    counted = order.doses or shc.attested(order.target, order.immunizations)
    key = _elliptic(order, issuer)
    issued = order.now.replace(microsecond=0)
    expires = hc1.expiry(issued, key)
    rid = cards.revocation_identifier(issuer.secret, jwk.thumbprint(key.signer.public_key), order.uvci)
    bundle = shc.bundle(order.patient, counted, identity=order.identity)
    made = cards.issue(bundle, key, issued, issuer.url, expires=expires, rid=rid)
    found = (rid, *_hashes(jws.parse(made.jws).signature, None))
    return Written(made.jws, order.target or "", tuple(counted), made.kid, found, made.issued, expires)


def _vds_nc(order: Order, issuer: Issuer) -> Written:
    target = order.target or dcc.COVID_19
    counted = order.doses or _dcc_doses(target, order.immunizations)
    key = _elliptic(order, issuer)
    issued = order.now.replace(microsecond=0)
    text = seals.issue(
        vdsnc.message(order.patient, counted, uvci=order.uvci, issuer=issuer.name), key, order.now, "VNM"
    )
    found = _hashes(seals.parse(text).signature, order.uvci)
    return Written(text, target, tuple(counted), key.kid.hex(), found, issued, hc1.expiry(issued, key))


def _hashes(signature: bytes, uvci: str | None, *, elliptic: bool = True) -> tuple[str, ...]:
    """Return the hashes by which a certificate is revoked, in Base64, that of the signature first."""
    found = revocation.hashes(COUNTRY, [uvci] if uvci else [], signature, halved=elliptic)
    return tuple(b64encode(digest).decode() for _, digest in found)


def _elliptic(order: Order, issuer: Issuer) -> SigningKey:
    if order.algorithm not in (None, ES256):
        raise Refused("algorithm", "this format is signed with ES256 only")
    return issuer.keys.signer(order.now, ES256)


FORMATS: Final = {
    format.code: format
    for format in (
        Format("hc1", "text/plain", _dcc_doses, _hc1),
        Format("shc", cards.MEDIA_TYPE, shc.attested, _shc, cards.numeric),
        Format("icvp", "text/plain", icvp.attested, _icvp),
        Format("vds-nc", "application/json", _dcc_doses, _vds_nc),
    )
}
