"""Communes in their provinces: every unit of the country, with its own province and with others.

QĐ 19/2025/QĐ-TTg · NQ 202/2025/QH15
"""

from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.names import names
from fhir_server.fhirpath.syntax import parse
from fhir_server.validation import Validator
from scripts.national.programme_addresses import rules, runs
from terminology.places import LEGACY_PROVINCES, PROVINCES, WARDS
from tests.profiles.bases import BASES, MOTHER, ORGANIZATION, PATIENT, R4, own
from tests.profiles.test_pairs import at_home, changed
from tests.profiles.test_units import OLD_COMMUNES, OLD_DISTRICTS

WARD, FORMER = (rule["key"] for rule in rules())


def address(ward: str | None, province: str, former: str | None = None) -> dict[str, Any]:
    [found] = at_home(ward, province, former)["address"]
    return dict(found)


def test_every_commune_lies_in_its_province_and_in_no_other(definitions: Definitions) -> None:
    now, before = (evaluation.truth(parse(rule["expression"]), names(definitions, "Patient")) for rule in rules())
    codes = list(PROVINCES)
    others = dict(zip(codes, codes[1:] + codes[:1], strict=True))
    for ward in WARDS.values():
        for province, lies in ((ward.province, True), (others[ward.province], False)):
            given = address(ward.code, province)
            assert now(given, Around(given)) is lies, (ward, province)
    for code, commune in OLD_COMMUNES.items():
        successor = LEGACY_PROVINCES[OLD_DISTRICTS[commune["district"]]["province"]].successor
        for province, lies in ((successor, True), (others[successor], False)):
            given = address(None, province, code)
            assert before(given, Around(given)) is lies, (code, province)


def test_a_province_is_a_few_runs_of_codes() -> None:
    assert {province for _, province in runs()} == set(PROVINCES)
    assert len(runs()) < 2 * len(PROVINCES)


WRONG = address("00004", "79")
# A resource with an address in two provinces, and where that is told.
PLACES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (PATIENT, {"address": [PATIENT["address"][0], WRONG]}, "Patient.address[1]"),
    (MOTHER, {"address": [WRONG]}, "RelatedPerson.address[0]"),
    (ORGANIZATION, {"address": [WRONG]}, "Organization.address[0]"),
    (next(base for base in BASES if base["resourceType"] == "Location"), {"address": WRONG}, "Location.address"),
    *(
        (
            PATIENT,
            {"extension": [PATIENT["extension"][0], {"url": url, "valueAddress": WRONG}]},
            "Patient.extension[1].value.ofType(Address)",
        )
        for url in (f"{R4}/patient-birthPlace", own("ext-birth-registration"), own("ext-native-place"))
    ),
]


@pytest.mark.parametrize(
    ("base", "changes", "place"), PLACES, ids=[f"{row[2]} {number}" for number, row in enumerate(PLACES)]
)
def test_wherever_an_address_stands_its_units_are_compared(
    base: dict[str, Any], changes: dict[str, Any], place: str, validator: Validator
) -> None:
    found = [issue for issue in validator.validate(changed(base, changes)).issues if issue.rule == WARD]
    assert [(issue.severity, issue.expression) for issue in found] == [("warning", place)]


@pytest.mark.parametrize(
    ("ward", "province", "former", "broken"),
    [
        ("00004", "01", "00001", []),
        ("00004", "79", "00001", [WARD, FORMER]),
        ("00004", "01", "26734", [FORMER]),
        (None, "01", None, []),
        ("hanoi", "01", None, []),  # no code: for the binding to tell
    ],
    ids=["both right", "both wrong", "only the former is wrong", "only the province", "no code"],
)
def test_both_communes_are_compared_with_the_province(
    ward: str | None, province: str, former: str | None, broken: list[str], validator: Validator
) -> None:
    issues = validator.validate(changed(PATIENT, at_home(ward, province, former))).issues
    assert [issue.rule for issue in issues if issue.rule in (WARD, FORMER)] == broken
