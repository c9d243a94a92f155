"""Rules that look at other resources: answered at once where these are at hand, else asked of who has them.

TT 13/2026/TT-BYT Điều 15, Điều 26 khoản 1 · https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from typing import Any

import pytest

from fhir_server import wire
from fhir_server.validation import Defaults, KeepsRule, Validator
from tests.profiles.bases import DOSE, EVENT, PATIENT, without
from tests.profiles.test_pairs import Changes, changed, of_newborn, suspected

BIRTH_DOSE, AFTER_DOSE = "vn-imm-hepatitis-b-birth-dose", "vn-imm-aefi-after-dose"
CHILD = ("Patient", "an")


def rules(validator: Validator, resource: dict[str, Any]) -> list[str | None]:
    return [issue.rule for issue in validator.validate(resource).issues if issue.rule in (BIRTH_DOSE, AFTER_DOSE)]


# Birth, its time, and what else is different of a dose given at 08:00+07:00 on 20/03/2026; whether it came too late.
BIRTHS: dict[str, tuple[Changes, bool]] = {
    "the day before": (of_newborn("2026-03-19"), False),
    "two days before": (of_newborn("2026-03-18"), True),
    "a week before": (of_newborn("2026-03-13"), True),
    "eight days before: another dose": (of_newborn("2026-03-12"), False),
    "the year only": (of_newborn("2026"), False),
    "the month only": (of_newborn("2026-03"), False),
    "24 hours before": (of_newborn("2026-03-19", "2026-03-19T08:00:00+07:00"), False),
    "a second more": (of_newborn("2026-03-19", "2026-03-19T07:59:59+07:00"), True),
    "a second more, in another zone": (of_newborn("2026-03-19", "2026-03-19T00:59:59Z"), True),
    "not given": (of_newborn("2026-03-18", status="not-done"), False),
    "another disease": (of_newborn("2026-03-18", protocolApplied=None, vaccineCode={"text": "BCG"}), False),
    "by its product alone": (
        of_newborn(
            "2026-03-18",
            protocolApplied=None,
            vaccineCode={
                "coding": [{"system": "https://fhir.tiemchung.vn/CodeSystem/vaccine-product", "code": "gene-hbvax"}]
            },
        ),
        True,
    ),
    "by CVX alone": (of_newborn("2026-03-18", protocolApplied=None), True),
}


@pytest.mark.parametrize("case", BIRTHS)
def test_a_birth_dose_is_late_when_it_cannot_have_been_in_time(validator: Validator, case: str) -> None:
    changes, late = BIRTHS[case]
    assert rules(validator, changed(DOSE, changes)) == ([BIRTH_DOSE] if late else [])


# When the event began and when the dose was given; whether that cannot be.
TIMES: dict[str, tuple[str, str, bool]] = {
    "after": ("2026-03-20T08:20:00+07:00", "2026-03-20T08:00:00+07:00", False),
    "at the same moment": ("2026-03-20T08:20:00+07:00", "2026-03-20T01:20:00Z", False),
    "before": ("2026-03-20T08:20:00+07:00", "2026-03-20T08:20:01+07:00", True),
    "the same day, no more is known": ("2026-03-20", "2026-03-20T08:20:01+07:00", False),
    "the day before": ("2026-03-19", "2026-03-20T08:20:01+07:00", True),
    "of the dose the year is known": ("2026-03-19", "2026", False),
}


@pytest.mark.parametrize("case", TIMES)
def test_an_event_does_not_begin_before_the_dose(validator: Validator, case: str) -> None:
    began, given, broken = TIMES[case]
    event = changed(EVENT, {**suspected(given), "date": began})
    assert rules(validator, event) == ([AFTER_DOSE] if broken else [])


def test_a_bundle_answers_what_its_entries_ask(validator: Validator) -> None:
    child = {**without(PATIENT, "meta"), "id": "an", "birthDate": "2026-03-18"}
    dose = changed(DOSE, {**of_newborn("2026-03-18"), "contained": None, "patient": {"reference": "Patient/an"}})
    base = "http://example.org/fhir"
    entries = [
        {"fullUrl": f"{base}/{row['resourceType']}/{row['id']}", "resource": row}
        for row in (child, {**dose, "id": "d"})
    ]
    report = validator.validate(
        wire.loads(wire.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    )
    assert [(issue.rule, issue.expression) for issue in report.issues if issue.rule == BIRTH_DOSE] == [
        (BIRTH_DOSE, "Bundle.entry[1].resource")
    ]
    assert not [each for each in report.questions if isinstance(each, KeepsRule)]


@pytest.mark.parametrize("enforced", [True, False])
def test_what_is_not_at_hand_is_asked_and_judged_later(validator: Validator, enforced: bool) -> None:
    dose = changed(
        DOSE, {**of_newborn("2026-03-18"), "contained": None, "patient": {"reference": "Patient/an/_history/2"}}
    )
    profile = dose["meta"]["profile"][0]
    defaults = Defaults({"Immunization": (profile,)}, enforced)
    report = validator.validate({**dose, "meta": {}}, defaults=defaults)
    assert rules(validator, dose) == []
    asked, early = sorted(
        (each for each in report.questions if isinstance(each, KeepsRule)), key=lambda each: each.rule != BIRTH_DOSE
    )
    assert (early.targets, early.rule, early.severity) == ((CHILD,), "vn-imm-after-birth", "warning")
    for birth, kept in (("2026-03-20", True), ("2026-03-21", False)):
        assert early.kept({CHILD: {"resourceType": "Patient", "id": "an", "birthDate": birth}}) is kept
    assert (asked.targets, asked.rule, asked.profile) == ((CHILD,), BIRTH_DOSE, profile)
    assert (asked.expression, asked.severity) == ("Immunization", "warning")
    for birth, kept in (("2026-03-19", True), ("2026-03-18", False)):
        assert asked.kept({CHILD: {"resourceType": "Patient", "id": "an", "birthDate": birth}}) is kept
    assert asked.kept({})  # nobody knows


def test_a_reference_that_nobody_here_can_follow_asks_nothing(validator: Validator) -> None:
    for reference in (
        {"reference": "http://elsewhere.example/fhir/Patient/1"},
        {"display": "An"},
        {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
    ):
        dose = changed(DOSE, {**of_newborn("2026-03-18"), "contained": None, "patient": reference})
        assert not [each for each in validator.validate(dose).questions if isinstance(each, KeepsRule)]
