"""The conditions mean to MongoDB what they mean to the naive evaluation, and its index serves them.

https://www.mongodb.com/docs/manual/reference/operator/query/elemMatch/
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.search.conditions import holds
from tests.search.searching import condition, document

Document = dict[str, Any]

DATES: list[Document] = [
    {"effectiveDateTime": "2024"},
    {"effectiveDateTime": "2024-02"},
    {"effectiveDateTime": "2024-02-29"},
    {"effectiveDateTime": "2024-02-29T10:00:00+07:00"},
    {"effectiveInstant": "2024-02-29T10:00:00.250+07:00"},
    {"effectivePeriod": {"start": "2024-01-01", "end": "2024-02-29"}},
    {"effectivePeriod": {"start": "2024-02-29"}},
    {"effectivePeriod": {"end": "2023"}},
    {"effectiveTiming": {"event": ["2024-01-01", "2024-03-01"]}},
]
MG = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"}
VALUES: list[Document] = [
    {"valueQuantity": {"value": Decimal("5.4"), **MG}},
    {"valueQuantity": {"value": -12, **MG}},
    {"valueQuantity": {"value": Decimal("-12.5"), **MG, "comparator": "<"}},
    {"valueQuantity": {"value": 10**20, "unit": "a|b (c)"}},
    {"valueSampledData": {"lowerLimit": 1, "upperLimit": 9, "origin": {"value": 0, **MG}}},
    {"valueString": "Dương tính\t+"},
    {"valueString": "a" * 700},
    {"valueCodeableConcept": {"coding": [{"system": "http://x|y", "code": "a\\|b\n"}], "text": "Đỏ"}},
]
SUBJECTS: list[Document] = [
    {"subject": {"reference": "Patient/1"}},
    {"subject": {"reference": "https://other.example/Patient/1"}},
    {"subject": {"identifier": {"system": "http://x", "value": "v"}}},
]
CODES = ["8480-6", "8480-7", "đ"]
RESOURCES: list[Document] = [
    {
        "resourceType": "Observation",
        "id": str(number),
        "code": {"coding": [{"system": "http://loinc.org", "code": CODES[number % 3]}]},
        **more,
    }
    for number, more in enumerate([*DATES, *VALUES, *SUBJECTS])
]

PREFIXES = ["", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
QUERIES: list[list[tuple[str, str]]] = [
    *([("date", prefix + text)] for prefix in PREFIXES for text in ("2024", "2024-02-29", "2024-02-29T10:00")),
    *([("value-quantity", f"{prefix}{text}")] for prefix in PREFIXES for text in ("5.4||mg", "-12", r"5||a\|b (c)")),
    *(
        [("code-value-quantity", f"{code}${prefix}5")]
        for prefix in PREFIXES
        for code in ("8480-6", "http://loinc.org|")
    ),
    *([("code-value-date", f"8480-7${prefix}2024")] for prefix in PREFIXES),
    [("code-value-string", "http://loinc.org|8480-7$duong")],
    [("code-value-string", "|8480-7$duong")],
    [("date", "ge2024-02-29"), ("date", "lt2024-03-01"), ("date", "ne2024-02")],
    [("value-string", "duong")],
    [("value-string:contains", "ƠNG T")],
    [("value-string:exact", "Dương tính\t+")],
    [("value-string:contains", "aaaa")],
    [("value-concept", r"http://x\|y|")],
    [("value-concept", r"http://x\|y|a\\\|b" + "\n")],
    [("code", "http://loinc.org|")],
    [("code", "http://loinc.org|Đ")],
    [("code:not", "8480-6"), ("date:missing", "true")],
    [("subject", "1")],
    [("subject", "Patient/1,https://other.example/Patient/1")],
    [("subject:identifier", "http://x|")],
    [("subject:missing", "false")],
    [("_id", "1,2,3"), ("_id:not", "2")],
    [("_lastUpdated", "lt2024")],
]


@pytest.fixture(scope="module")
def collection(mongodb_uri: str) -> Iterator[Collection[Document]]:
    with MongoClient[Document](mongodb_uri) as client:
        found = client["search_conditions"]["Observation"]
        found.insert_many([document(each, sequence=int(each["id"])) for each in RESOURCES])
        found.create_index([("ix", 1), ("s", -1)])
        yield found
        client.drop_database("search_conditions")


@pytest.mark.parametrize("parameters", QUERIES, ids=lambda each: "&".join("=".join(pair) for pair in each))
def test_mongodb_finds_what_the_naive_evaluation_finds(
    collection: Collection[Document], parameters: list[tuple[str, str]]
) -> None:
    wanted = condition("Observation", *parameters)
    assert wanted is not None
    expected = {each["id"] for each in RESOURCES if holds(wanted, document(each, sequence=int(each["id"])))}
    assert {each["_id"] for each in collection.find(wanted, hint=[("ix", 1), ("s", -1)])} == expected
    assert {each["_id"] for each in collection.find(wanted, hint=[("_id", 1)])} == expected


def test_most_of_these_queries_find_something_and_not_everything() -> None:
    conditions = [condition("Observation", *parameters) for parameters in QUERIES]
    documents = [document(each, sequence=int(each["id"])) for each in RESOURCES]
    found = [sum(holds(each, one) for one in documents) for each in conditions if each is not None]
    assert sum(0 < count < len(RESOURCES) for count in found) > 0.7 * len(QUERIES)


@pytest.fixture(scope="module")
def doses(mongodb_uri: str) -> Iterator[Collection[Document]]:
    with MongoClient[Document](mongodb_uri) as client:
        found = client["search_doses"]["Immunization"]
        found.insert_many([document(dose(number), sequence=number) for number in range(3000)])
        found.create_index([("ix", 1), ("s", -1)])
        found.create_index([("s", -1)])
        yield found
        client.drop_database("search_doses")


def dose(number: int) -> Document:
    return {
        "resourceType": "Immunization",
        "id": str(number),
        "status": "completed" if number % 100 else "not-done",
        "patient": {"reference": f"Patient/{number % 500}"},
        "occurrenceDateTime": f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": str(number % 20)}]},
        "lotNumber": f"LOT-{number % 300:03d}",
    }


@pytest.mark.parametrize(
    ("parameters", "most"),
    [
        ([("status", "completed")], 51),
        ([("status", "not-done")], 51),
        ([("vaccine-code", "http://hl7.org/fhir/sid/cvx|3")], 51),
        ([("vaccine-code", "3")], 160),
        ([("patient", "Patient/7")], 8),
        ([("patient", "7")], 8),
        ([("patient", "7"), ("date", "ge2024-03")], 8),
        ([("date", "2024-03-03")], 50),
        ([("date", "ge2024-03-01"), ("date", "lt2024-03-10")], 110),
        ([("lot-number", "lot-007")], 12),
        ([("lot-number", "lot00")], 120),
    ],
    ids=lambda each: "&".join("=".join(pair) for pair in each) if isinstance(each, list) else str(each),
)
def test_the_index_serves_a_first_page(
    doses: Collection[Document], parameters: list[tuple[str, str]], most: int
) -> None:
    wanted = condition("Immunization", *parameters)
    plan = doses.find(wanted).sort("s", -1).limit(50).explain()
    assert plan["executionStats"]["totalDocsExamined"] <= most
    assert plan["executionStats"]["totalKeysExamined"] <= 2 * most + 10
