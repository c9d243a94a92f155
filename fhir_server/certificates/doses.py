"""Which of a person's doses count against a disease, which is the latest, and which number it has.

https://hl7.org/fhir/R4/immunization.html
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from fhir_server.certificates.products import vaccines

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_VIET_NAM: Final = timezone(timedelta(hours=7))  # https://www.iana.org/time-zones — Asia/Ho_Chi_Minh


class Dose(NamedTuple):
    """An Immunization against the disease asked for; `day` may be a year or a month only, or empty when unknown."""

    day: str
    number: int | None  # as recorded
    series: int | None  # as recorded
    immunization: Mapping[str, Any]

    @property
    def is_exact(self) -> bool:
        """Return whether the day is known."""
        return _DAY.fullmatch(self.day) is not None

    @property
    def label(self) -> str:
        """Return the reference by which a person finds the record."""
        return f"Immunization/{self.immunization.get('id', '?')}"


def against(target: str, immunizations: Sequence[Mapping[str, Any]]) -> list[Dose]:
    """Return the doses against `target` (a SNOMED CT code) whatever their status, by what they or their vaccine say."""
    return [_dose(target, immunization) for immunization in immunizations if _protects(target, immunization)]


def counted(doses: Sequence[Dose]) -> list[Dose]:
    """Return the completed doses, of those on one day only one, in the order of their days; subpotent ones not."""
    completed = [dose for dose in doses if _counts(dose)]
    completed.sort(key=lambda dose: (dose.day, dose.number or 0, str(dose.immunization.get("id"))))
    by_day = {dose.day if dose.is_exact else f"{dose.day}#{place}": dose for place, dose in enumerate(completed)}
    return list(by_day.values())


def counted_of_all(immunizations: Sequence[Mapping[str, Any]]) -> list[Dose]:
    """Return the completed doses against anything, subpotent ones not, in the order of their days; vague days not."""
    found = [_dose("", immunization) for immunization in immunizations]
    completed = [dose for dose in found if dose.day and _counts(dose)]
    return sorted(completed, key=lambda dose: (dose.day, dose.label))


def facility_name(immunization: Mapping[str, Any]) -> str | None:
    """Return the name of who gave the dose: the organisation as the record displays it, else the place."""
    actors = [row.get("actor", {}) for row in immunization.get("performer", ())]
    named = [actor.get("display") for actor in actors if _organization(actor)]
    return next((name for name in (*named, immunization.get("location", {}).get("display")) if name), None)


def facility(immunization: Mapping[str, Any]) -> str | None:
    """Return the id of the first Organization among the performers."""
    actors = [row.get("actor", {}) for row in immunization.get("performer", ())]
    return next((id for actor in actors if (id := _organization(actor))), None)


def number(dose: Dose, among: Sequence[Dose]) -> int | None:
    """Return the dose number: as recorded, else its place `among` the counted ones.

    None when that place cannot be known, because the day of another dose is too vague to tell which came first.
    """
    if dose.number:
        return dose.number
    if any(not other.is_exact and dose.day.startswith(other.day) for other in among):
        return None
    return sum(other.day <= dose.day for other in among)


def _organization(actor: Mapping[str, Any]) -> str | None:
    kind, _, id = str(actor.get("reference", "")).partition("/")
    return id if kind == "Organization" and id else None


def _counts(dose: Dose) -> bool:
    return dose.immunization.get("status") == "completed" and dose.immunization.get("isSubpotent") is not True


def _dose(target: str, immunization: Mapping[str, Any]) -> Dose:
    protocols = immunization.get("protocolApplied", ())
    named = [protocol for protocol in protocols if target in _codes(protocol.get("targetDisease", ()))]
    silent = [protocol for protocol in protocols if not protocol.get("targetDisease")]
    protocol: Mapping[str, Any] = next(iter(named or silent), {})
    return Dose(
        _day(immunization.get("occurrenceDateTime")),
        _positive(protocol.get("doseNumberPositiveInt")),
        _positive(protocol.get("seriesDosesPositiveInt")),
        immunization,
    )


def _protects(target: str, immunization: Mapping[str, Any]) -> bool:
    protocols = immunization.get("protocolApplied", ())
    if any(target in _codes(protocol.get("targetDisease", ())) for protocol in protocols):
        return True
    possible = vaccines(immunization.get("vaccineCode", {}))
    return bool(possible) and all(target in vaccine.target_diseases for vaccine in possible)


def _codes(concepts: Sequence[Mapping[str, Any]]) -> set[Any]:
    return {coding.get("code") for concept in concepts for coding in concept.get("coding", ())}


def _positive(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _day(text: Any) -> str:
    """Return the day of a dateTime in Viet Nam, whose hospitals may write it in UTC; a vague one as it is."""
    if not isinstance(text, str):
        return ""
    if "T" not in text:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return moment.astimezone(_VIET_NAM).date().isoformat() if moment.tzinfo else text[:10]
