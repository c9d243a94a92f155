"""https://github.com/ehn-dcc-development/eu-dcc-schema and Decision 5772/QĐ-BYT (2021)"""

import json
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from fhir_server.certificates import content, dcc
from fhir_server.outcome import Unprocessable
from signing import development, hc1, schema
from signing.trust import TrustList
from signing.verify import verify
from terminology.vaccines import CVX, PRODUCT, VACCINES

SCHEMAS = Path(__file__).parents[2] / "../shared/certificates/dcc-schema"
UVCI = "URN:UVCI:01:VN:10807843F94AEE0EE5093FBC254BD813"
SNOMED = "http://snomed.info/sct"
MEASLES = "14189004"
NOW = datetime(2026, 11, 22, tzinfo=UTC)

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"use": "official", "text": "Đặng Thị Ngọc Ánh"}],
    "birthDate": "1990-05-02",
}


def dose(
    id: str, day: str | None = "2021-08-01", *, code: str = "208", system: str = CVX, **more: Any
) -> dict[str, Any]:
    """Return an Immunization with Comirnaty unless told otherwise."""
    resource = {
        "resourceType": "Immunization",
        "id": id,
        "status": "completed",
        "vaccineCode": {"coding": [{"system": system, "code": code}]},
        "patient": {"reference": "Patient/p1"},
        "occurrenceDateTime": day,
    }
    return {name: value for name, value in (resource | more).items() if value is not None}


def protocol(disease: str | None = dcc.COVID_19, **more: Any) -> list[dict[str, Any]]:
    target = {"targetDisease": [{"coding": [{"system": SNOMED, "code": disease}]}]} if disease else {}
    return [target | more]


def payload(
    *immunizations: dict[str, Any], patient: dict[str, Any] = PATIENT, target: str | None = None
) -> dict[str, Any]:
    return dcc.payload(patient, immunizations, target=target, issuer="Bộ Y tế", uvci=UVCI)


def test_the_latest_completed_dose_is_certified() -> None:
    assert payload(dose("1"), dose("2", "2021-08-29T09:30:00+07:00")) == {
        "ver": "1.3.0",
        "nam": {"fn": "Đặng", "gn": "Thị Ngọc Ánh", "fnt": "DANG", "gnt": "THI<NGOC<ANH"},
        "dob": "1990-05-02",
        "v": [
            {
                "tg": "840539006",
                "vp": "1119349007",
                "mp": "EU/1/20/1528",
                "ma": "ORG-100030215",
                "dn": 2,
                "sd": 2,
                "dt": "2021-08-29",
                "co": "VN",
                "is": "Bộ Y tế",
                "ci": UVCI,
            }
        ],
    }


@pytest.mark.parametrize(
    ("immunizations", "expected"),
    [
        ([dose("1")], (1, 2, "2021-08-01")),
        ([dose("1"), dose("2", "2021-08-29"), dose("3", "2022-02-01")], (3, 3, "2022-02-01")),
        ([dose("1", code="212")], (1, 1, "2021-08-01")),
        ([dose("1", code="212"), dose("2", "2021-12-01", code="208")], (2, 2, "2021-12-01")),
        ([dose("1", code="abdala", system=PRODUCT)], (1, 3, "2021-08-01")),
        ([dose("1", protocolApplied=protocol(doseNumberPositiveInt=3))], (3, 3, "2021-08-01")),
        (
            [dose("1", protocolApplied=protocol(doseNumberPositiveInt=3, seriesDosesPositiveInt=2))],
            (3, 2, "2021-08-01"),
        ),
        (
            [dose("1", protocolApplied=protocol(None, doseNumberPositiveInt=2, seriesDosesPositiveInt=3))],
            (2, 3, "2021-08-01"),
        ),
        (
            [
                dose(
                    "1",
                    protocolApplied=[
                        *protocol(MEASLES, doseNumberPositiveInt=9),
                        *protocol(doseNumberPositiveInt=2),
                    ],
                )
            ],
            (2, 2, "2021-08-01"),
        ),
        ([dose("1"), dose("2", "2021-08-29", status="entered-in-error")], (1, 2, "2021-08-01")),
        ([dose("1"), dose("2", "2021-08-29", status="not-done")], (1, 2, "2021-08-01")),
        ([dose("1"), dose("2", "2021-08-29", isSubpotent=True)], (1, 2, "2021-08-01")),
        ([dose("1"), dose("2", "2021-08-29", isSubpotent=False)], (2, 2, "2021-08-29")),
        ([dose("1"), dose("2"), dose("3", "2021-08-29")], (2, 2, "2021-08-29")),
        ([dose("1"), dose("2", "2021-08-29", code="94")], (1, 2, "2021-08-01")),
        ([dose("1", "2020"), dose("2", "2021-08-29")], (2, 2, "2021-08-29")),
        ([dose("1", "2021-08"), dose("2", "2021-12-29")], (2, 2, "2021-12-29")),
        ([dose("1", None), dose("2", protocolApplied=protocol(doseNumberPositiveInt=2))], (2, 2, "2021-08-01")),
    ],
    ids=[
        "first dose",
        "third dose, counted",
        "one-dose vaccine",
        "mixed schedule",
        "three-dose vaccine",
        "number recorded",
        "booster beyond the series",
        "series recorded, disease not",
        "the protocol against the disease",
        "entered in error does not count",
        "not done does not count",
        "subpotent does not count",
        "not subpotent counts",
        "the same dose entered twice",
        "dose against measles",
        "an earlier year",
        "an earlier month",
        "undated, but the number is recorded",
    ],
)
def test_counts_doses(immunizations: list[dict[str, Any]], expected: tuple[int, int, str]) -> None:
    for order in permutations(immunizations):
        entry = payload(*order)["v"][0]
        assert (entry["dn"], entry["sd"], entry["dt"]) == expected


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2021-08-29", "2021-08-29"),
        ("2021-08-29T23:59:59+07:00", "2021-08-29"),
        ("2021-08-29T18:00:00Z", "2021-08-30"),
        ("2021-08-29T16:59:59.999Z", "2021-08-29"),
        ("2021-08-29T00:30:00.000+07:00", "2021-08-29"),
    ],
    ids=["day", "evening in Viet Nam", "evening in UTC", "afternoon in UTC", "after midnight in Viet Nam"],
)
def test_the_day_is_that_of_viet_nam(moment: str, day: str) -> None:
    assert payload(dose("1", moment))["v"][0]["dt"] == day


@pytest.mark.parametrize("disease", [None, dcc.COVID_19])
def test_covid_19_is_meant_when_no_disease_is_asked_for(disease: str | None) -> None:
    assert payload(dose("1"), target=disease)["v"][0]["tg"] == "840539006"


def test_a_dose_is_found_by_the_disease_it_names() -> None:
    unknown = dose("1", code="999", protocolApplied=protocol())
    with pytest.raises(Unprocessable) as refusal:
        payload(unknown)
    assert [issue.rule for issue in refusal.value.issues] == ["dcc-product"]


REFUSALS: list[tuple[str, list[dict[str, Any]], dict[str, Any], str | None, list[str], str]] = [
    ("no dose at all", [], PATIENT, None, ["dcc-no-dose"], "Immunization.protocolApplied.targetDisease"),
    (
        "doses against other diseases only",
        [dose("1", code="94")],
        PATIENT,
        None,
        ["dcc-no-dose"],
        "Immunization.protocolApplied.targetDisease",
    ),
    (
        "entered in error",
        [dose("1", status="entered-in-error")],
        PATIENT,
        None,
        ["dcc-not-completed"],
        "Immunization.status",
    ),
    ("not done", [dose("1", status="not-done")], PATIENT, None, ["dcc-not-completed"], "Immunization.status"),
    ("subpotent", [dose("1", isSubpotent=True)], PATIENT, None, ["dcc-subpotent"], "Immunization.isSubpotent"),
    (
        "two products share the code",
        [dose("1", code="510")],
        PATIENT,
        None,
        ["dcc-product"],
        "Immunization.vaccineCode",
    ),
    (
        "unspecified vaccine",
        [dose("1", code="213", protocolApplied=protocol())],
        PATIENT,
        None,
        ["dcc-product"],
        "Immunization.vaccineCode",
    ),
    (
        "no date",
        [dose("1", None, occurrenceString="hè 2021")],
        PATIENT,
        None,
        ["dcc-occurrence"],
        "Immunization.occurrence",
    ),
    ("month only", [dose("1", "2021-08")], PATIENT, None, ["dcc-occurrence-precision"], "Immunization.occurrence"),
    (
        "an earlier dose without a day",
        [dose("1", "2021"), dose("2", "2021-08-29")],
        PATIENT,
        None,
        ["dcc-dose-number"],
        "Immunization.protocolApplied.doseNumber",
    ),
    ("no name", [dose("1")], PATIENT | {"name": []}, None, ["dcc-name"], "Patient.name"),
    ("no birth date", [dose("1")], {"name": PATIENT["name"]}, None, ["dcc-birth-date"], "Patient.birthDate"),
    ("born in 1899", [dose("1")], PATIENT | {"birthDate": "1899-12-31"}, None, ["dcc-birth-date"], "Patient.birthDate"),
    (
        "another disease",
        [dose("1", code="94")],
        PATIENT,
        MEASLES,
        ["dcc-target"],
        "Parameters.parameter.where(name = 'targetDisease').value",
    ),
    (
        "everything at once",
        [dose("1", "2021", code="510")],
        {},
        None,
        ["dcc-name", "dcc-birth-date", "dcc-product", "dcc-occurrence-precision"],
        "Patient.name",
    ),
]


@pytest.mark.parametrize(
    ("immunizations", "patient", "target", "rules", "expression"),
    [row[1:] for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
def test_says_by_which_rules_no_certificate_is_issued(
    immunizations: list[dict[str, Any]],
    patient: dict[str, Any],
    target: str | None,
    rules: list[str],
    expression: str,
) -> None:
    with pytest.raises(Unprocessable) as refusal:
        payload(*immunizations, patient=patient, target=target)
    issues = refusal.value.issues
    assert [issue.rule for issue in issues] == rules
    assert issues[0].expression == expression
    for issue in issues:
        assert issue.severity == "error"
        assert issue.vi != issue.en


def test_a_refusal_names_the_record() -> None:
    with pytest.raises(Unprocessable, match="Immunization/hospital-7: entered-in-error"):
        payload(dose("hospital-7", status="entered-in-error"))


@pytest.mark.parametrize("birth_date", ["1990-05-02", "1990-05", "1990"])
def test_a_birth_date_may_be_a_year(birth_date: str) -> None:
    assert payload(dose("1"), patient=PATIENT | {"birthDate": birth_date})["dob"] == birth_date


coded = st.sampled_from([vaccine.id for vaccine in VACCINES.values() if vaccine.dcc])
days = st.dates(date(2021, 1, 1), date(2026, 11, 22)).map(date.isoformat)
vietnamese = st.text(alphabet="AĂÂBCDĐEÊGHIKLMNOÔƠPQRSTUƯVXYaăâbcdđeêghiklmnoôơpqrstuưvxyáàảãạếềểễệộợự '-", min_size=1)
words = vietnamese.filter(lambda text: any(letter.isalpha() for letter in text))
persons = st.fixed_dictionaries({"name": words.map(lambda text: [{"text": text}]), "birthDate": days | st.just("1956")})
histories = st.lists(st.builds(lambda day, code: dose(day, day, code=code, system=PRODUCT), days, coded), min_size=1)


@pytest.mark.parametrize("version", ["1.3.0", "1.3.2", "1.3.3"])
@pytest.mark.skipif(not SCHEMAS.exists(), reason=f"no schemas in {SCHEMAS}")
def test_whatever_is_issued_conforms_to_the_official_schema(version: str) -> None:
    official = json.loads((SCHEMAS / f"{version}.json").read_text("utf-8"))
    validator = Draft202012Validator(official, format_checker=FormatChecker())

    @given(persons, histories)
    def conforms(patient: dict[str, Any], history: list[dict[str, Any]]) -> None:
        issued = payload(*history, patient=patient)
        validator.validate(issued)
        assert schema.problems(issued) == ()
        assert issued["v"][0]["dt"] == max(dose["occurrenceDateTime"] for dose in history)

    conforms()


def test_what_is_signed_is_what_was_recorded() -> None:
    key = development.signer(development.authority(NOW), NOW)
    issued = hc1.issue(payload(dose("1")), key, NOW)
    assert verify(issued.text, TrustList([key.signer]), NOW).content == payload(dose("1"))


def test_a_summary_shows_the_fields_of_the_decision_in_both_languages() -> None:
    lines = {line.key: line for line in content.summary(payload(dose("1"), dose("2", "2021-08-29")))}
    assert {key: line.value for key, line in lines.items()} == {
        "name": "Đặng Thị Ngọc Ánh",
        "birth-date": "1990-05-02",
        "disease": "COVID-19",
        "dose-number": "2",
        "date": "2021-08-29",
        "series-doses": "2/2",
        "vaccine": "SARS-CoV-2 mRNA vaccine",
        "product": "Comirnaty",
        "manufacturer": "Biontech Manufacturing GmbH",
        "country": "VN",
        "issuer": "Bộ Y tế",
        "identifier": UVCI,
    }
    assert lines["product"].code == "EU/1/20/1528"
    assert (lines["date"].vi, lines["date"].en) == ("Ngày tiêm", "Date of vaccination")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["nam", "v", "fn", "tg", "dn"]), inner),
    max_leaves=8,
)


@given(st.none() | st.dictionaries(st.sampled_from(["nam", "dob", "v", "ver"]), anything))
def test_a_summary_of_anything_leaves_out_what_it_cannot_read(found: dict[str, Any] | None) -> None:
    assert all(line.value for line in content.summary(found))


def test_a_name_in_passport_letters_only_is_shown_with_spaces() -> None:
    assert content.summary({"nam": {"fnt": "NGUYEN", "gnt": "VAN<AN"}})[0].value == "NGUYEN VAN AN"
