"""The formats that certificates are issued in: for each, which doses it attests and how it is written and signed.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec · https://spec.smarthealth.cards/ · https://smart.who.int/icvp/
and ICAO Technical Report VDS-NC
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from fhir_server.certificates import dcc, icvp, shc, timing, vdsnc
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


class Content(NamedTuple):
    """What is to be signed for an order."""

    order: Order
    doses: tuple[Dose, ...]  # those it counts, the latest last
    said: Json  # in the words of the format


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its media type, and how orders are carried out, first each one's content, then all signatures."""

    code: str
    media_type: str
    attest: Callable[[str | None, Sequence[Json]], list[Dose]]  # the doses that it counts; raises Unprocessable
    content: Callable[[Order, Issuer], Content]  # raises Unprocessable
    sign: Callable[[Sequence[Content], Issuer], list[Written]]  # of one moment, with one key; raises Refused
    qr: Callable[[str], str] = str  # from the text kept to the text of the QR code
    elliptic: bool = False  # signed with ES256 only

    def write(self, order: Order, issuer: Issuer) -> Written:
        """Return the certificate that was ordered; raise Unprocessable or Refused when there can be none."""
        return self.sign([self.content(order, issuer)], issuer)[0]

    def until(self, now: datetime, issuer: Issuer) -> datetime:
        """Return until when a certificate that is issued now is valid; `now` when no key can sign it."""
        try:
            return hc1.expiry(now, issuer.keys.signer(now, ES256 if self.elliptic else None))
        except Refused:
            return now


def _dcc_doses(target: str | None, immunizations: Sequence[Json]) -> list[Dose]:
    return dcc.completed(target or dcc.COVID_19, immunizations)


def _dcc_content(order: Order, issuer: Issuer) -> Content:
    target = order.target or dcc.COVID_19
    counted = order.doses or tuple(_dcc_doses(target, order.immunizations))
    said = dcc.certified(order.patient, counted, target=target, issuer=issuer.name, uvci=order.uvci)
    return Content(order, counted, said)


def _dcc_signed(contents: Sequence[Content], issuer: Issuer) -> list[Written]:
    return _signed(contents, issuer, dcc.COVID_19, cwt.DCC)


def _icvp_content(order: Order, issuer: Issuer) -> Content:
    counted = order.doses or tuple(icvp.attested(order.target, order.immunizations))
    return Content(order, counted, icvp.payload(order.patient, counted, target=order.target, issuer=issuer.name))


def _icvp_signed(contents: Sequence[Content], issuer: Issuer) -> list[Written]:
    return _signed(contents, issuer, icvp.YELLOW_FEVER, cwt.ICVP)


def _signed(contents: Sequence[Content], issuer: Issuer, disease: str, kind: int) -> list[Written]:
    """Sign HC1 certificates; `disease` is what they are against unless their order names another one."""
    first = contents[0].order
    key = issuer.keys.signer(first.now, first.algorithm)
    made = hc1.issue_all([content.said for content in contents], key, first.now, kind=kind)
    kid, elliptic = key.kid.hex(), key.algorithm == ES256
    written = []
    for (order, doses, _), each in zip(contents, made, strict=True):
        found = _hashes(each.signature, order.uvci if kind == cwt.DCC else None, elliptic=elliptic)
        written.append(Written(each.text, order.target or disease, doses, kid, found, each.issued, each.expires))
    return written


def _shc_content(order: Order, issuer: Issuer) -> Content:
    counted = order.doses or tuple(shc.attested(order.target, order.immunizations))
    return Content(order, counted, shc.bundle(order.patient, counted, identity=order.identity))


def _shc_signed(contents: Sequence[Content], issuer: Issuer) -> list[Written]:
    return [_shc(content, issuer) for content in contents]


def _shc(content: Content, issuer: Issuer) -> Written:
    order = content.order
    key = _elliptic(order, issuer)
    issued = order.now.replace(microsecond=0)
    expires = hc1.expiry(issued, key)
    rid = cards.revocation_identifier(issuer.secret, jwk.thumbprint(key.signer.public_key), order.uvci)
    made = cards.issue(content.said, key, issued, issuer.url, expires=expires, rid=rid)
    found = (rid, *_hashes(jws.parse(made.jws).signature, None))
    return Written(made.jws, order.target or "", content.doses, made.kid, found, made.issued, expires)


def _vds_nc_content(order: Order, issuer: Issuer) -> Content:
    counted = order.doses or tuple(_dcc_doses(order.target, order.immunizations))
    return Content(order, counted, vdsnc.message(order.patient, counted, uvci=order.uvci, issuer=issuer.name))


def _vds_nc_signed(contents: Sequence[Content], issuer: Issuer) -> list[Written]:
    return [_vds_nc(content, issuer) for content in contents]


def _vds_nc(content: Content, issuer: Issuer) -> Written:
    order = content.order
    key = _elliptic(order, issuer)
    issued = order.now.replace(microsecond=0)
    text = seals.issue(content.said, key, order.now, "VNM")
    found = _hashes(seals.parse(text).signature, order.uvci)
    target = order.target or dcc.COVID_19
    return Written(text, target, content.doses, key.kid.hex(), found, issued, hc1.expiry(issued, key))


def _hashes(signature: bytes, uvci: str | None, *, elliptic: bool = True) -> tuple[str, ...]:
    """Return the hashes by which a certificate is revoked, in Base64, that of the signature first."""
    found = revocation.hashes(COUNTRY, (uvci,) if uvci else (), signature, halved=elliptic)
    return tuple([b64encode(digest).decode() for _, digest in found])


def _elliptic(order: Order, issuer: Issuer) -> SigningKey:
    if order.algorithm not in (None, ES256):
        raise Refused("algorithm", "this format is signed with ES256 only")
    return issuer.keys.signer(order.now, ES256)


def _timely(content: Callable[[Order, Issuer], Content]) -> Callable[[Order, Issuer], Content]:
    """Let `content` attest nothing that cannot have happened."""

    def checked(order: Order, issuer: Issuer) -> Content:
        made = content(order, issuer)
        timing.require_possible(order.patient, made.doses, order.now)
        return made

    return checked


FORMATS: Final = {
    format.code: format
    for format in (
        Format("hc1", "text/plain", _dcc_doses, _timely(_dcc_content), _dcc_signed),
        Format("shc", cards.MEDIA_TYPE, shc.attested, _timely(_shc_content), _shc_signed, cards.numeric, elliptic=True),
        Format("icvp", "text/plain", icvp.attested, _timely(_icvp_content), _icvp_signed),
        Format("vds-nc", "application/json", _dcc_doses, _timely(_vds_nc_content), _vds_nc_signed, elliptic=True),
    )
}
