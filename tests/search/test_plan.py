"""Plans: printable, and turned into conditions that the index can serve.

https://hl7.org/fhir/R4/search.html#chaining
"""

import json
from typing import Any

import pytest

from fhir_server.search import plan, query
from fhir_server.search.plan import Follows, Plan, SortBy
from tests.search.conditions import holds
from tests.search.searching import CATALOGUE, NOW, condition, document, finds


def planned(type: str, *parameters: tuple[str, str]) -> Plan:
    return plan.plan(query.parse(CATALOGUE, type, parameters, now=NOW), CATALOGUE)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], {}),
        ([("status", "completed")], {"ix": "status|completed|"}),
        ([("status", "completed,not-done")], {"ix": {"$in": ["status|completed|", "status|not-done|"]}}),
        ([("patient", "1")], {"ix": "patient|1|Patient"}),
        (
            [("vaccine-code", "08")],
            {"ix": {"$elemMatch": {"$gte": "vaccine-code|08|", "$lt": "vaccine-code|08}"}}},
        ),
        ([("vaccine-code", "http://hl7.org/fhir/sid/cvx|08")], {"ix": "vaccine-code|08|~cvx"}),
        ([("status:not", "completed")], {"$nor": [{"ix": "status|completed|"}]}),
        ([("status:missing", "true")], {"$nor": [{"ix": {"$elemMatch": {"$gte": "status|", "$lt": "status}"}}}]}),
        ([("status:missing", "false")], {"ix": {"$elemMatch": {"$gte": "status|", "$lt": "status}"}}}),
        ([("_id", "b,a")], {"_id": {"$in": ["a", "b"]}}),
        ([("_id", "a,b"), ("_id", "b,c")], {"_id": "b"}),
        ([("_id:not", "a")], {"_id": {"$nin": ["a"]}}),
        ([("_id", "a"), ("status", "completed")], {"$and": [{"_id": "a"}, {"ix": "status|completed|"}]}),
        ([("status", "completed"), ("status", "completed")], {"ix": "status|completed|"}),
        (
            [("date", "ge2024-01-01"), ("date", "lt2024-02-01")],
            {
                "$or": [
                    {"ix": {"$elemMatch": {"$gte": "date|2023123117", "$lt": "date|2024013117"}}},
                    {
                        "$and": [
                            {"ix": {"$elemMatch": {"$gte": "date:end|20240101170", "$lt": "date:end}"}}},
                            {"ix": {"$elemMatch": {"$gte": "date|-", "$lt": "date|2024013117"}}},
                        ]
                    },
                ]
            },
        ),
    ],
    ids=lambda each: ",".join("=".join(row) for row in each) if isinstance(each, list) else "",
)
def test_becomes_a_condition_on_the_index(parameters: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert condition("Immunization", *parameters) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        [("_id", "a"), ("_id", "b")],
        [("_lastUpdated", "lt1960")],
    ],
)
def test_what_cannot_match_is_known_before_the_database_is_asked(parameters: list[tuple[str, str]]) -> None:
    assert condition("Immunization", *parameters) is None


MARCH = 1709226000000 << 20  # 2024-03-01 in Hanoi
UPDATED = [
    ("eq2024-03", True),
    ("ge2024-03-01", True),
    ("gt2024-02-29", True),
    ("gt2024-03-01", False),
    ("lt2024-03-01", False),
    ("le2024-03-01", True),
    ("sa2024-02-29", True),
    ("eb2024-03-01", False),
    ("ne2024-03-01", False),
    ("ne2024-03-02", True),
    ("2024-02-29T17:00:00Z", True),
    ("ap2024-03-01", True),
]


@pytest.mark.parametrize(("text", "expected"), UPDATED)
def test_the_time_of_the_last_update_lies_in_the_sequence(text: str, expected: bool) -> None:
    wanted = condition("Patient", ("_lastUpdated", text))
    assert wanted is not None
    assert holds(wanted, document({"resourceType": "Patient"}, sequence=MARCH | 5)) is expected


def test_a_chain_asks_for_the_resources_it_leads_to() -> None:
    steps = planned("Immunization", ("patient.identifier", "001"), ("patient.identifier", "001"), ("status", "x"))
    [chain] = plan.unresolved(steps)
    assert [(link.type, plan.to_filter(link)) for link in chain.links] == [
        ("Patient", {"ix": {"$elemMatch": {"$gte": "identifier|001|", "$lt": "identifier|001}"}}})
    ]
    found = plan.to_filter(steps, {chain: [("Patient", "b"), ("Patient", "a")]})
    assert found == {"$and": [{"ix": {"$in": ["patient|a|Patient", "patient|b|Patient"]}}, {"ix": "status|x|"}]}
    assert plan.to_filter(steps, {chain: []}) is None
    with pytest.raises(KeyError):
        plan.to_filter(steps, {})


def test_a_chain_may_lead_on() -> None:
    [chain] = plan.unresolved(planned("Immunization", ("patient.organization.name", "x")))
    [inner] = chain.links
    [further] = plan.unresolved(inner)
    assert isinstance(further, Follows)
    assert further.links[0].type == "Organization"


def test_sort_keys_are_beginnings_of_entries() -> None:
    steps = planned("Immunization", ("_sort", "-date,lot-number,_lastUpdated,-_id"))
    lot = SortBy("lot-number|", False, mark="\t")
    assert steps.sort == (SortBy("date|", True), lot, SortBy("s", False), SortBy("_id", True))


def test_a_parameter_with_another_name_uses_its_entries() -> None:
    assert planned("Patient", ("_sort", "phonetic")).sort == (SortBy("name:sort|", False),)
    assert condition("Patient", ("phonetic", "an")) == condition("Patient", ("name", "an"))


@pytest.mark.parametrize(
    ("parameter", "access"),
    [
        (("status", "completed"), "equal"),
        (("vaccine-code", "08"), "range"),
        (("lot-number:contains", "08"), "scan"),
        (("vaccine-code", "http://x|"), "scan"),
        (("_id", "1"), "fields"),
        (("_lastUpdated", "2024"), "fields"),
        (("status:not", "completed"), "filter"),
        (("patient.name", "An"), "chain"),
        (("date", "ge2024"), "range"),
    ],
)
def test_explains_how_the_index_serves_it(parameter: tuple[str, str], access: str) -> None:
    explained = plan.explain(planned("Immunization", parameter))
    assert [term["access"] for term in explained["terms"]] == [access]
    assert explained["sort"] == ["-s"]
    json.dumps(explained)


def test_equal_searches_have_equal_plans() -> None:
    parameters = [("date", "ge2024"), ("patient.name", "An"), ("code", "x"), ("value-quantity", "5||mg")][:2]
    assert planned("Immunization", *parameters) == planned("Immunization", *parameters)
    assert hash(planned("Immunization", *parameters)) == hash(planned("Immunization", *parameters))


def test_missing_both_ways_is_no_condition_and_no_contradiction() -> None:
    assert finds({"resourceType": "Patient"}, ("gender:missing", "true,false"))
    assert not finds({"resourceType": "Patient"}, ("gender:missing", "true"), ("gender:missing", "false"))
