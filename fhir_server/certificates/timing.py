"""Doses that cannot have been given: certified by nobody, whatever the records say and however they were checked.

https://hl7.org/fhir/R4/immunization-definitions.html#Immunization.occurrence_x_
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from fhir_server.certificates.doses import Dose
from fhir_server.outcome import Issue, Unprocessable

_EARLIEST_ZONE: Final = timezone(timedelta(hours=14))  # where a day begins first: no clock on Earth is ahead of it


def require_possible(patient: Mapping[str, Any], doses: Sequence[Dose], now: datetime) -> None:
    """Raise Unprocessable naming the doses that lie after today, or before the person was born."""
    today = now.astimezone(_EARLIEST_ZONE).date().isoformat()
    birth_date = patient.get("birthDate")
    born = birth_date if isinstance(birth_date, str) else ""
    if reasons := list(_problems(doses, today, born)):
        raise Unprocessable("No certificate can be issued from these records", issues=reasons)


def _problems(doses: Sequence[Dose], today: str, born: str) -> Iterable[Issue]:
    for dose in doses:
        day, known = dose.day, min(len(dose.day), len(born))  # either may be a year or a month only
        if day > today[: len(day)]:
            yield _issue(
                f"{dose.label} lies in the future ({day}): correct its date",
                f"{dose.label} có ngày tiêm ở tương lai ({day}): hãy sửa ngày tiêm",
                "dose-in-future",
            )
        elif day[:known] < born[:known]:
            yield _issue(
                f"{dose.label} ({day}) lies before the person was born ({born}): correct one of them",
                f"{dose.label} ({day}) có trước ngày sinh ({born}): hãy sửa một trong hai ngày",
                "dose-before-birth",
            )


def _issue(en: str, vi: str, rule: str) -> Issue:
    return Issue("error", "business-rule", en, vi, "Immunization.occurrence", rule)
