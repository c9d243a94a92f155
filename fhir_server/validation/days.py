"""Days: when the codes of a resource were chosen, for codes that hold for a time.

https://hl7.org/fhir/R4/codesystem.html#status · concept properties validFrom and validTo

A dose of 2019 is checked against the codes of 2019, an address against those of today or of its period's end.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Final

from fhir_server.validation.report import Path, Walk

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]
Days = tuple[str, str]  # first and last

_A_DAY: Final = timedelta(days=1)

# Resource type → the elements that say when it happened, the first that is there counts.
CLINICAL: Final[dict[str, tuple[str, ...]]] = {
    "AdverseEvent": ("date", "detected"),
    "Condition": ("recordedDate", "onsetDateTime"),
    "DiagnosticReport": ("effectiveDateTime", "issued"),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "ImmunizationEvaluation": ("date",),
    "ImmunizationRecommendation": ("date",),
    "MedicationAdministration": ("effectiveDateTime",),
    "Observation": ("effectiveDateTime", "issued"),
    "Procedure": ("performedDateTime",),
}


def within(text: Any) -> Days | None:
    """Return the first and last day of a date or time of any precision ("2019": all of that year).

    A time in Universal Time does not say which day it was where it happened: the days beside it count too.
    """
    if type(text) is not str or len(text) < 4:
        return None
    day = text[:10]
    if len(text) > 10 and (text[-1] == "Z" or text[-6:] in ("+00:00", "-00:00")):
        with suppress(ValueError, OverflowError):
            middle = date.fromisoformat(day)
            return (middle - _A_DAY).isoformat(), (middle + _A_DAY).isoformat()
    return day + "0000-01-01"[len(day) :], day + "0000-12-31"[len(day) :]


def chosen(resource: Json, kind: str, today: str | None) -> Days | None:
    """Return when the codes of a resource were chosen: when it happened, else today; None when that is not known."""
    for name in CLINICAL.get(kind, ()):
        found = within(resource.get(name))
        if found is not None:
            return found
    return None if today is None else (today, today)


def of_address(check: Check) -> Check:
    """Return `check` of an Address, whose codes are those of the end of its period, else of today."""

    def dated(value: Any, path: Path, walk: Walk) -> None:
        outer = walk.days
        period = value.get("period") if type(value) is dict else None
        end = within(period.get("end")) if type(period) is dict else None
        walk.days = end or (None if walk.today is None else (walk.today, walk.today))
        check(value, path, walk)
        walk.days = outer

    return dated
