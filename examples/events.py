"""Adverse events after a dose: mostly fever and pain, seldom something severe.

https://hl7.org/fhir/R4/adverseevent.html

Severe ones are about ten times as frequent here as in life, so that a small set has some.
"""

from datetime import date, timedelta
from typing import Final, NamedTuple

from examples import identifiers
from examples.chance import Chance, Weighted
from examples.doses import Subject
from examples.fhir import HL7, PROFILE, PROGRAMME, Resource, concept, meta, moment, reference
from terminology.diseases import SNOMED


class Reaction(NamedTuple):
    """What may happen: after how many hours at most, how severe, and whether it is serious."""

    term: str  # code of the programme's terms
    text: str
    code: tuple[str, str] | None  # SNOMED CT
    hours: int
    severity: str
    serious: bool


FEVER: Final = Reaction("fever-below-39", "Sốt nhẹ dưới 39 °C", ("386661006", "Fever"), 24, "mild", False)
ANAPHYLAXIS: Final = Reaction("anaphylaxis", "Phản vệ độ II", ("39579001", "Anaphylaxis"), 1, "severe", True)
_REACTIONS: Final = Weighted(
    [
        (FEVER, 40),
        (Reaction("local-pain", "Đau, sưng đỏ tại chỗ tiêm", None, 24, "mild", False), 45),
        (Reaction("crying-persistent", "Quấy khóc kéo dài", None, 12, "mild", False), 9),
        (Reaction("fever-39", "Sốt cao từ 39 °C", ("386661006", "Fever"), 24, "moderate", False), 5),
        (Reaction("seizure-febrile", "Co giật do sốt", ("41497008", "Febrile convulsion"), 24, "severe", True), 0.6),
        (ANAPHYLAXIS, 0.4),
    ]
)
_SERIOUSNESS: Final = {
    True: concept(f"{HL7}/adverse-event-seriousness", "Serious", "Serious", "Tai biến nặng sau tiêm chủng"),
    False: concept(f"{HL7}/adverse-event-seriousness", "Non-serious", "Non-serious", "Phản ứng thông thường"),
}
_OUTCOME: Final = {
    False: concept(f"{HL7}/adverse-event-outcome", "resolved", "Resolved", "Khỏi"),
    True: concept(f"{HL7}/adverse-event-outcome", "recovering", "Recovering", "Đang hồi phục"),
}
_META: Final = meta("adverse-event")
_HOSPITAL: Final = {
    "url": f"{PROFILE}/vn-imm-ext-seriousness-reason",
    "valueCodeableConcept": concept(
        f"{PROGRAMME}/CodeSystem/aefi-seriousness-reason", "hospitalisation", "Nhập viện hoặc kéo dài nằm viện"
    ),
}
_NOTIFIED: Final = f"{PROFILE}/vn-imm-ext-notified"  # by telephone, at once
_SHARE: Final = 0.025


def after(subject: Subject, dose: Resource, day: date, number: int, chance: Chance, today: date) -> Resource | None:
    """Return the adverse event that followed the completed `dose` of `day`, or None when nothing happened."""
    if not chance.happens(_SHARE) or (today - day).days < 2:
        return None  # nothing, or nothing that is known yet
    return adverse_event(subject, dose, day, number, chance.pick(_REACTIONS), chance.below(60), today)


def adverse_event(
    subject: Subject, dose: Resource, day: date, number: int, reaction: Reaction, minutes: int, today: date
) -> Resource:
    """Return a `reaction` to the `dose` as a resource; severe ones are known at once, others a day later."""
    clock = dose["occurrenceDateTime"]
    onset = int(clock[11:13]) * 60 + int(clock[14:16]) + minutes * reaction.hours
    began = moment(day + timedelta(days=onset // 1440), onset % 1440)
    noticed = min(day + timedelta(days=onset // 1440 + (not reaction.serious)), max(today, day))
    known = max(began, moment(noticed, 17 * 60))
    severity = concept(f"{HL7}/adverse-event-severity", reaction.severity, reaction.severity.capitalize())
    coded = concept(f"{PROGRAMME}/CodeSystem/aefi-term", reaction.term, None, reaction.text)
    if reaction.code:
        coded["coding"].append(concept(SNOMED, *reaction.code)["coding"][0])
    identifier = f"{subject.id.upper()}-{number}"
    return {
        "resourceType": "AdverseEvent",
        "id": f"{subject.id}-ae{number}",
        "meta": _META,
        **({"extension": [_HOSPITAL, {"url": _NOTIFIED, "valueDateTime": known}]} if reaction.serious else {}),
        "identifier": {"system": identifiers.ADVERSE_EVENT, "value": identifier},
        "actuality": "actual",
        "event": coded,
        "subject": subject.reference,
        "date": began,
        "detected": known,
        "recordedDate": known,
        "location": dose["location"],
        "seriousness": _SERIOUSNESS[reaction.serious],
        "severity": severity,
        "outcome": _OUTCOME[reaction.serious and (today - day).days < 30],
        "recorder": dose["performer"][0]["actor"],
        "suspectEntity": [{"instance": reference(f"Immunization/{dose['id']}")}],
    }
