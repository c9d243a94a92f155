"""Which certificates a person is due, and their identifiers: each is issued once, however often it is asked for.

Decision 5772/QĐ-BYT (2021): a new code is made before the old one ends, without the person doing anything
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from fhir_server.certificates import attested
from fhir_server.certificates.doses import Dose
from fhir_server.certificates.formats import FORMATS, Content, Issuer, Order
from fhir_server.outcome import Unprocessable
from signing import uvci

HORIZON: Final = timedelta(days=30)  # so long before its end a certificate is renewed


class Held(NamedTuple):
    """The newest certificate on a dose in one format."""

    id: str
    standing: str  # valid, superseded, revoked
    expires: datetime


class Person(NamedTuple):
    """A Patient and the doses, whatever their status."""

    patient: dict[str, Any]
    immunizations: Sequence[dict[str, Any]]


class Attested(NamedTuple):
    """What a certificate of this format would attest today; the latest dose is the last."""

    person: Person
    format: str
    doses: tuple[Dose, ...]

    @property
    def dose(self) -> str:
        """Return the id of the latest dose, by which the certificate is found again."""
        return str(self.doses[-1].immunization.get("id"))


class Due(NamedTuple):
    """A certificate to be issued, in the place of `replaces`."""

    of: Attested
    replaces: str | None


def attest(person: Person, format: str, target: str | None) -> Attested:
    """Return what can be certified; raise Unprocessable when it is no record of its own or has no dose that counts."""
    attested.require_own_record(person.patient)
    return Attested(person, format, tuple(FORMATS[format].attest(target, person.immunizations)))


def due(wanted: Attested, held: Held | None, now: datetime, until: datetime) -> Due | None:
    """Return what is to be issued beside or after the newest certificate on the latest dose; None: nothing.

    A certificate is due when that dose has none, when it was superseded by a correction, or when it ends soon and a
    new one, valid `until` then, lasts longer: of a key that ends soon itself it does not.
    A revoked one is not: somebody took it back, and somebody decides about a new one.
    """
    if held is None:
        return Due(wanted, None)
    ends_soon = held.standing == "valid" and held.expires < min(now + HORIZON, until)
    if held.standing == "superseded" or ends_soon:
        return Due(wanted, held.id)
    return None


def ordered(wanted: Due, target: str | None, issuer: Issuer, now: datetime) -> Content:
    """Return what is to be signed; raise Unprocessable when a part of it is missing."""
    person, format, counted = wanted.of
    order = Order(person.patient, person.immunizations, target, _identifier(wanted, issuer.secret), now, doses=counted)
    return FORMATS[format].content(order, issuer)


def rules(error: Unprocessable) -> list[str]:
    """Return why a certificate cannot be issued, as keys that can be counted."""
    return [issue.rule or issue.code for issue in error.issues]


def _identifier(wanted: Due, secret: bytes) -> str:
    """Return the same identifier for the same wish: two processes that issue it make one certificate.

    Nobody without `secret` can tell whose it is.
    """
    named = "\0".join((wanted.of.format, wanted.of.dose, wanted.replaces or ""))
    return uvci.make(hmac.digest(secret, named.encode(), "sha256")[: uvci.RANDOM_BYTES])
