"""Composite search finds true pairs only.

https://hl7.org/fhir/R4/search.html#composite
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.outcome import BadRequest
from tests.search.searching import INDEXER, finds

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def measured(code: str, value: int) -> dict[str, Any]:
    return {
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "valueQuantity": {"value": value, "system": UCUM, "code": "mm[Hg]"},
    }


PRESSURE = {
    "resourceType": "Observation",
    "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
    "component": [measured("8480-6", 120), measured("8462-4", 80)],
}
NAME = "component-code-value-quantity"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8480-6$120", True),
        ("8480-6$80", False),
        ("8462-4$80", True),
        (f"{LOINC}|8480-6$gt100", True),
        (f"{LOINC}|8462-4$gt100", False),
        (f"{LOINC}|8480-6$lt130|{UCUM}|mm[Hg]", True),
        (f"{LOINC}|8480-6$gt15.9|{UCUM}|kPa", True),
        (f"{LOINC}|8480-6$gt16.1|{UCUM}|kPa", False),
        (f"{LOINC}|8462-4$gt15.9|{UCUM}|kPa", False),
        (f"{LOINC}|8480-6$lt130|{UCUM}|g", False),
        (f"{LOINC}|8480-6$lt130|{UCUM}|no-unit", False),
        (f"{LOINC}|8480-6$lt130||kPa", False),
        ("8480-6$lt100,8462-4$lt100", True),
        (f"{LOINC}|$gt100", True),
        ("http://snomed.info/sct|$gt100", False),
        ("|8480-6$120", False),
    ],
)
def test_finds_a_component_by_code_and_value(text: str, expected: bool) -> None:
    assert finds(PRESSURE, (NAME, text)) is expected


CODES, NUMBERS = ["a", "b", "a|"], [1, 2, 10]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(NUMBERS)), max_size=3),
    st.sampled_from(CODES),
    st.sampled_from([None, LOINC]),
    st.sampled_from(["", "gt", "le", "ne", "ge", "ap"]),
    st.sampled_from(NUMBERS),
)
def test_pairs_are_found_exactly_when_one_element_has_both(
    components: list[tuple[str, int]], code: str, system: str | None, prefix: str, value: int
) -> None:
    holds = {
        "": lambda each: value - 0.5 <= each < value + 0.5,
        "gt": lambda each: each > value,
        "ge": lambda each: each >= value,
        "le": lambda each: each <= value,
        "ne": lambda each: not value - 0.5 <= each < value + 0.5,
        "ap": lambda each: abs(each - value) <= max(0.5, value / 10),
    }[prefix]
    resource = {"resourceType": "Observation", "component": [measured(*each) for each in components]}
    wanted = code.replace("|", r"\|")
    text = f"{wanted}${prefix}{value}" if system is None else f"{system}|{wanted}${prefix}{value}"
    assert finds(resource, (NAME, text)) is any(own == code and holds(each) for own, each in components)


def test_a_part_may_be_a_date_or_a_text() -> None:
    base = {"resourceType": "Observation", "code": {"coding": [{"code": "x"}]}}
    dated = {**base, "valueDateTime": "2024-02-29"}
    assert finds(dated, ("code-value-date", "x$2024-02-29"))
    assert finds(dated, ("code-value-date", "x$ge2024-02-29"))
    assert not finds(dated, ("code-value-date", "x$gt2024-02-29"))
    assert not finds(dated, ("code-value-date", "y$2024-02-29"))
    lasting = {**base, "valuePeriod": {"start": "2020", "end": "2023"}}
    assert finds(lasting, ("code-value-date", "x$gt2022"))
    assert not finds(lasting, ("code-value-date", "x$gt2023"))
    written = {**base, "valueString": "Dương tính"}
    assert finds(written, ("code-value-string", "x$duong"))
    assert finds(written, ("code-value-string", "|x$DƯƠNG TÍNH"))
    assert not finds(written, ("code-value-string", "x$tinh"))


def test_a_part_may_lie_outside_the_element() -> None:
    sequence = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}},
        "variant": [{"start": 10, "end": 20}, {"start": 30, "end": 40}],
    }
    assert finds(sequence, ("chromosome-variant-coordinate", "1$10$20"))
    assert finds(sequence, ("chromosome-variant-coordinate", "1$ge30$lt50"))
    assert not finds(sequence, ("chromosome-variant-coordinate", "1$10$40"))
    assert not finds(sequence, ("chromosome-variant-coordinate", "2$10$20"))


def test_a_relationship_of_documents_has_its_own_parts() -> None:
    target = {"reference": "DocumentReference/7"}
    document = {"resourceType": "DocumentReference", "relatesTo": [{"code": "replaces", "target": target}]}
    assert finds(document, ("relationship", "DocumentReference/7$replaces"))
    assert not finds(document, ("relationship", "DocumentReference/7$signs"))


def test_the_last_part_is_whole() -> None:
    coding = {"system": "http://x/long", "code": "p"}
    resource = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": LOINC, "code": "x"}]},
        "valueCodeableConcept": {"coding": [coding]},
    }
    assert finds(resource, ("code-value-concept", "x$http://x/long|p"))
    assert not finds(resource, ("code-value-concept", "x$http://x|p"))


def test_a_pair_has_one_entry() -> None:
    lasting = {"resourceType": "Observation", "code": {"coding": [{"code": "x"}]}, "valuePeriod": {"start": "2020"}}
    assert [entry for entry in INDEXER.index(lasting).entries if entry.startswith("code-value-date")] == [
        "code-value-date|x|\n|2019123117-Z"
    ]


@pytest.mark.parametrize("text", ["8480-6", "8480-6$1$2", "$1", "a$", "a$x", ""])
def test_refuses_what_does_not_have_its_parts(text: str) -> None:
    with pytest.raises(BadRequest):
        finds(PRESSURE, (NAME, text))
