"""What comes next: one ImmunizationRecommendation for a child, with the next dose of every series still open.

https://hl7.org/fhir/R4/immunizationrecommendation.html
"""

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Final

from examples.doses import Subject
from examples.fhir import HL7, LOINC, Resource, concept, meta, moment, reference, target_disease, vaccine_code
from examples.programme import Next

_META: Final = meta("recommendation")
_CRITERIA: Final = {
    "earliest": concept(LOINC, "30981-5", "Earliest date to give"),
    "due": concept(LOINC, "30980-7", "Date vaccine due"),
    "latest": concept(LOINC, "59777-3", "Latest date to give immunization"),
}


@cache
def _status(code: str) -> Resource:
    text = {"due": "Đến lịch tiêm", "overdue": "Quá lịch tiêm"}[code]
    return concept(f"{HL7}/immunization-recommendation-status", code, code.capitalize(), text)


def recommendation(subject: Subject, following: Iterable[Next], today: date) -> Resource:
    """Return the resource that lists `following`, of which there is at least one, the earliest first."""
    centre = subject.network.centres[subject.station.ward.province]
    ordered = sorted(following, key=lambda dose: (dose.due, dose.series))
    return {
        "resourceType": "ImmunizationRecommendation",
        "id": f"{subject.id}-next",
        "meta": _META,
        "patient": subject.reference,
        "date": moment(today, 6 * 60),
        "authority": reference(f"Organization/{centre.organization}", centre.name),
        "recommendation": [_dose(dose, today) for dose in ordered],
    }


def _dose(dose: Next, today: date) -> Resource:
    days = {"earliest": dose.earliest, "due": dose.due, "latest": dose.latest}
    return {
        "vaccineCode": [vaccine_code(dose.product)],
        "targetDisease": target_disease(dose.disease),
        "forecastStatus": _status("overdue" if dose.overdue < today else "due"),
        "dateCriterion": [
            {"code": _CRITERIA[name], "value": day.isoformat()} for name, day in days.items() if day is not None
        ],
        "series": dose.series,
        "doseNumberPositiveInt": dose.number,
        "seriesDosesPositiveInt": dose.of,
    }
