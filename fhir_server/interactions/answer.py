"""What an interaction answers, before HTTP or a Bundle entry gives it a form.

https://hl7.org/fhir/R4/http.html#ops
"""

from dataclasses import dataclass
from datetime import datetime

from fhir_server.outcome import Issue
from fhir_server.store.documents import Stored


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the resource (as JSON bytes) and what the headers say about it."""

    status: int
    body: bytes | None = None
    version: int | None = None
    last_modified: datetime | None = None
    location: str | None = None  # relative to the base URL: "Patient/1/_history/2"
    media_type: str = "application/fhir+json"
    cache: str | None = None  # Cache-Control; None: not to be kept
    tag: str | None = None  # entity tag of what has no version
    headers: tuple[tuple[str, str], ...] = ()  # further ones, names in small letters
    issues: tuple[Issue, ...] = ()  # of a write: what was found and refused nothing


def of(stored: Stored, status: int = 200, location: bool = False, issues: tuple[Issue, ...] = ()) -> Answer:
    """Return the answer that carries `stored`, its version and time."""
    return Answer(
        status,
        stored.raw,
        stored.version,
        stored.last_updated,
        f"{stored.type}/{stored.id}/_history/{stored.version}" if location else None,
        issues=issues,
    )
