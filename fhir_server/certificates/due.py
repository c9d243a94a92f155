"""Which certificates a person is due, and their identifiers: each is issued once, however often it is asked for.

Decision 5772/QĐ-BYT (2021): a new code is made before the old one ends, without the person doing anything
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from fhir_server.certificates import attested
from fhir_server.certificates.doses import Dose
from fhir_server.certificates.formats import FORMATS, Issuer, Order, Written
from fhir_server.outcome import Unprocessable
from signing import uvci

HORIZON: Final = timedelta(days=30)  # so long before its end a certificate is renewed


class Held(NamedTuple):
    """The newest certificate on a dose in one format."""

    id: str
    standing: str  # valid, superseded, revoked
    expires: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A Patient, the doses, and the newest certificate of each dose and format."""

    patient: dict[str, Any]
    immunizations: Sequence[dict[str, Any]]
    held: Mapping[tuple[str, str], Held]


class Due(NamedTuple):
    """A certificate to be issued: of these doses, in the place of `replaces`."""

    format: str
    doses: tuple[Dose, ...]
    replaces: str | None


def due(person: Person, formats: Sequence[str], target: str | None, now: datetime) -> list[Due]:
    """Return what is to be issued; raise Unprocessable when the person has no dose that counts.

    A certificate is due when the latest dose has none, when it was superseded by a correction, or when it ends soon.
    A revoked one is not: somebody took it back, and somebody decides about a new one.
    """
    attested.require_own_record(person.patient)
    found = []
    for code in formats:
        counted = FORMATS[code].attest(target, person.immunizations)
        held = person.held.get((str(counted[-1].immunization.get("id")), code))
        if held is None:
            found.append(Due(code, tuple(counted), None))
        elif held.standing == "superseded" or (held.standing == "valid" and held.expires < now + HORIZON):
            found.append(Due(code, tuple(counted), held.id))
    return found


def issue(wanted: Due, person: Person, target: str | None, issuer: Issuer, now: datetime) -> tuple[str, Written]:
    """Return the identifier and the certificate; raise Unprocessable or Refused when it cannot be issued."""
    identifier = _identifier(wanted, issuer.secret)
    order = Order(person.patient, person.immunizations, target, identifier, now, doses=wanted.doses)
    return identifier, FORMATS[wanted.format].write(order, issuer)


def rules(error: Unprocessable) -> list[str]:
    """Return why a certificate cannot be issued, as keys that can be counted."""
    return [issue.rule or issue.code for issue in error.issues]


def _identifier(wanted: Due, secret: bytes) -> str:
    """Return the same identifier for the same wish: two processes that issue it make one certificate.

    Nobody without `secret` can tell whose it is.
    """
    dose = str(wanted.doses[-1].immunization.get("id"))
    named = "\0".join((wanted.format, dose, wanted.replaces or ""))
    return uvci.make(hmac.digest(secret, named.encode(), "sha256")[: uvci.RANDOM_BYTES])
