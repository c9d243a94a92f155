"""Reference and URI search.

https://hl7.org/fhir/R4/search.html#reference · https://hl7.org/fhir/R4/search.html#uri
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.types import reference, uri
from fhir_server.search.types.uri import Uri
from fhir_server.search.values import Invalid
from tests.search.searching import BASE, CONTEXT, finds, lies


def subject(**reference: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": reference}


LOCAL, OTHER = subject(reference="Patient/1"), subject(reference="https://other.example/fhir/Patient/1")
CCCD = "http://fhir.hl7.org.vn/core/sid/cccd"
LOGICAL = subject(type="Patient", identifier={"system": CCCD, "value": "001"}, display="An")
ROWS = [
    ("id", LOCAL, "subject", "1", True),
    ("another id", LOCAL, "subject", "11", False),
    ("type and id", LOCAL, "subject", "Patient/1", True),
    ("another type", LOCAL, "subject", "Group/1", False),
    ("type as modifier", LOCAL, "subject:Patient", "1", True),
    ("type twice", LOCAL, "subject:Patient", "Patient/1", True),
    ("another type as modifier", LOCAL, "subject:Group", "1", False),
    ("one of several", LOCAL, "subject", "7,Patient/1", True),
    ("own address", LOCAL, "subject", f"{BASE}/Patient/1", True),
    ("other address", LOCAL, "subject", "https://other.example/fhir/Patient/1", False),
    ("stored with own address", subject(reference=f"{BASE}/Patient/1"), "subject", "Patient/1", True),
    ("stored with other address", OTHER, "subject", "https://other.example/fhir/Patient/1", True),
    ("other address is not local", OTHER, "subject", "Patient/1", False),
    ("other address is no id", OTHER, "subject", "1", False),
    ("stored with version", subject(reference="Patient/1/_history/3"), "subject", "Patient/1", True),
    ("urn", subject(reference="urn:uuid:a"), "subject", "urn:uuid:a", True),
    ("subset for patients", LOCAL, "patient", "1", True),
    ("a group is no patient", subject(reference="Group/1"), "patient", "1", False),
    ("by identifier", LOGICAL, "subject:identifier", f"{CCCD}|001", True),
    ("by identifier without system", LOGICAL, "subject:identifier", "001", True),
    ("by another identifier", LOGICAL, "subject:identifier", f"{CCCD}|002", False),
    ("a logical reference is present", LOGICAL, "subject:missing", "false", True),
    ("a display is present", subject(display="An"), "subject:missing", "false", True),
    ("nothing is not", {"resourceType": "Observation"}, "subject:missing", "true", True),
]


@pytest.mark.parametrize(
    ("resource", "name", "text", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_finds_by_reference(resource: dict[str, Any], name: str, text: str, expected: bool) -> None:
    assert finds(resource, (name, text)) is expected


@pytest.mark.parametrize(
    ("text", "modifier"),
    [
        ("", None),
        ("Nothing/1", None),
        ("Patient/", None),
        ("Patient/1/_history/2", None),
        ("Patient/../1", None),
        ("a b", None),
        ("Group/1", "Patient"),
        ("http://x/Patient/1", "Patient"),
        ("", "identifier"),
    ],
)
def test_refuses_what_is_no_reference(text: str, modifier: str | None) -> None:
    with pytest.raises(Invalid):
        reference.parse(text, modifier, CONTEXT)


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    answers = {"resourceType": "QuestionnaireResponse", "questionnaire": "http://x/Questionnaire/a|1.2"}
    assert finds(answers, ("questionnaire", "http://x/Questionnaire/a"))
    assert finds(answers, ("questionnaire", "http://x/Questionnaire/a|1.2"))
    assert not finds(answers, ("questionnaire", "http://x/Questionnaire/a|1"))
    assert not finds(answers, ("questionnaire", "http://x/Questionnaire"))


def test_a_profile_is_found_with_and_without_its_version() -> None:
    patient = {"resourceType": "Patient", "meta": {"profile": ["http://x/StructureDefinition/p|2", "http://y"]}}
    assert finds(patient, ("_profile", "http://x/StructureDefinition/p"))
    assert finds(patient, ("_profile", "http://x/StructureDefinition/p|2"))
    assert finds(patient, ("_profile", "http://y"))
    assert not finds(patient, ("_profile", "http://x/StructureDefinition/p|1"))


URIS = [
    "http://x",
    "http://x/",
    "http://X",
    "http://hl7.org/fhir/sid/cvx",
    "~cvx",
    "urn:oid:1.2",
    "urn:oid:1.23",
    "a|b",
]


@given(st.sampled_from(URIS), st.sampled_from(URIS))
def test_a_uri_is_found_by_itself_alone(one: str, other: str) -> None:
    read = uri.reader("uri", CONTEXT)
    assert read is not None
    assert lies(read(one), uri.match(Uri(other))) is (one == other)


@pytest.mark.parametrize("text", ["", " ", "http://x y"])
def test_refuses_what_is_no_uri(text: str) -> None:
    with pytest.raises(Invalid):
        uri.parse(text, canonical=False)
