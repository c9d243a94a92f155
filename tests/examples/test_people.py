"""https://hl7.org/fhir/R4/patient.html"""

import re
from collections import Counter
from datetime import date
from typing import Any

import pytest

from examples import identifiers
from examples.fhir import address
from examples.generate import bundles
from terminology.ethnicity import ETHNIC_GROUPS
from terminology.places import PLACE_PREFIXES, PROVINCES, WARDS

TODAY = date(2026, 11, 1)
CORE = "http://fhir.hl7.org.vn/core/StructureDefinition"


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    return [entry["resource"] for bundle in bundles(1000, 4, TODAY) for entry in bundle["entry"]]


@pytest.fixture(scope="module")
def patients(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == "Patient"]


def numbers(resource: dict[str, Any], system: str) -> list[str]:
    return [found.get("value", "") for found in resource["identifier"] if found["system"] == system]


def test_everyone_has_a_programme_code_of_their_own(patients: list[dict[str, Any]]) -> None:
    codes = [numbers(patient, identifiers.PROGRAMME) for patient in patients]
    assert all(len(code) == 1 for code in codes)
    assert len({code for [code] in codes}) == len(patients)


def test_a_citizen_number_agrees_with_birth_sex_and_place(patients: list[dict[str, Any]]) -> None:
    found = [(patient, number) for patient in patients for number in numbers(patient, identifiers.CCCD) if number]
    assert len({number for _, number in found}) == len(found) > 900
    for patient, number in found:
        assert re.fullmatch("[0-9]{12}", number)
        century = 19 + int(number[3]) // 2
        assert patient["birthDate"][:4] == f"{century}{number[4:6]}"
        assert patient["gender"] == ("female" if int(number[3]) % 2 else "male")
        province = patient["address"][0]["extension"][1]["valueCoding"]["code"]
        if patient["id"].startswith("p-"):
            assert PLACE_PREFIXES[number[:3]].successor == province


def test_only_newborns_have_no_number_and_say_why(patients: list[dict[str, Any]]) -> None:
    found = [patient for patient in patients if numbers(patient, identifiers.CCCD) == [""]]
    assert found
    for patient in found:
        assert (TODAY - date.fromisoformat(patient["birthDate"])).days < 61
        [absent] = [i["_value"]["extension"][0] for i in patient["identifier"] if i["system"] == identifiers.CCCD]
        assert absent["valueCode"] == "temp-unknown"


def test_an_address_names_a_ward_and_its_province_as_they_are_called_today(patients: list[dict[str, Any]]) -> None:
    for patient in patients:
        [address] = patient["address"]
        ward, province = (extension["valueCoding"] for extension in address["extension"])
        assert [extension["url"] for extension in address["extension"]] == [
            f"{CORE}/vn-ext-ward",
            f"{CORE}/vn-ext-province",
        ]
        assert WARDS[ward["code"]].province == province["code"]
        assert address["city"] == ward["display"] == WARDS[ward["code"]].name_on(TODAY)
        assert address["state"] == province["display"] == PROVINCES[province["code"]].name_on(TODAY)
        assert (address["country"], bool(address["line"])) == ("VN", True)


@pytest.mark.parametrize(
    ("day", "ward", "province"),
    [
        (date(2026, 4, 29), "Xã Long Thành", "Tỉnh Đồng Nai"),
        (date(2026, 4, 30), "Phường Long Thành", "Thành phố Đồng Nai"),
    ],
    ids=["before", "after"],
)
def test_an_address_follows_a_change_of_names(day: date, ward: str, province: str) -> None:
    found = address(WARDS["26368"], "Thôn 1", day)
    assert (found["city"], found["state"]) == (ward, province)
    assert [extension["valueCoding"]["display"] for extension in found["extension"]] == [ward, province]


def test_a_name_is_written_in_vietnamese_order(patients: list[dict[str, Any]]) -> None:
    for patient in patients:
        [name] = patient["name"]
        if name["use"] == "official":
            assert name["text"] == " ".join([name["family"], *name["given"]] if "family" in name else name["given"])
            assert name["text"][0].isupper()
        else:
            assert name["text"].startswith("Con bà ")
            assert set(name) == {"use", "text"}


def test_a_third_of_the_people_are_called_nguyen(patients: list[dict[str, Any]]) -> None:
    families = Counter(patient["name"][0].get("family") for patient in patients)
    assert families.most_common(1)[0][0] == "Nguyễn"
    assert 0.2 < families["Nguyễn"] / len(patients) < 0.42
    assert len(families) > 30


def test_people_are_of_all_ages_most_of_them_children_or_parents(patients: list[dict[str, Any]]) -> None:
    ages = [(TODAY - date.fromisoformat(patient["birthDate"])).days / 365.25 for patient in patients]
    assert 0.4 < sum(age < 18 for age in ages) / len(ages) < 0.65
    assert 0.04 < sum(age < 1 for age in ages) / len(ages) < 0.15
    assert max(ages) > 75
    assert 0.4 < sum(patient["gender"] == "female" for patient in patients) / len(patients) < 0.7


def test_ethnic_groups_are_known_ones(patients: list[dict[str, Any]]) -> None:
    codes = Counter(patient["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for patient in patients)
    assert set(codes) <= set(ETHNIC_GROUPS)
    assert codes["01"] / len(patients) > 0.7
    assert len(codes) > 5


def test_a_child_has_its_mother_as_related_person(resources: list[dict[str, Any]]) -> None:
    patients = {f"Patient/{r['id']}": r for r in resources if r["resourceType"] == "Patient"}
    mothers = {number: r for r in patients.values() for number in numbers(r, identifiers.CCCD) if number}
    related = [resource for resource in resources if resource["resourceType"] == "RelatedPerson"]
    assert len(related) > 300
    for person in related:
        child, mother = patients[person["patient"]["reference"]], mothers[person["identifier"][0]["value"]]
        assert person["name"] == mother["name"]
        years = (date.fromisoformat(child["birthDate"]) - date.fromisoformat(mother["birthDate"])).days / 365.25
        assert 17 < years < 50


def test_nobody_can_be_called(patients: list[dict[str, Any]]) -> None:
    phones = [contact["value"] for patient in patients for contact in patient.get("telecom", [])]
    assert phones
    assert all(re.fullmatch(r"\+84 4[0-9]{8}", phone) for phone in phones)
