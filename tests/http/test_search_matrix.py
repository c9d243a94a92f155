"""Every parameter type with every prefix and modifier: one row for each pair, over numbered resources.

https://hl7.org/fhir/R4/search.html#prefix · https://hl7.org/fhir/R4/search.html#modifiers
"""

import json
from typing import Any, get_args

import httpx
import pytest

from fhir_server.search.matching import MODIFIERS
from fhir_server.search.values import Prefix
from tests.http.search_examples import LOINC, UCUM, V2_0203
from tests.http.serving import bundle, entry
from tests.http.test_search import found, numbers

Json = dict[str, Any]

PREFIXES = get_args(Prefix)
STATUS = "http://hl7.org/fhir/observation-status"


def observations() -> list[Json]:
    """Return Observations o0, o1, …: each of the first twelve has a date, each of the others a value."""
    dates: list[Json] = [
        {"effectiveDateTime": "2024"},
        {"effectiveDateTime": "2024-02"},
        {"effectiveDateTime": "2024-02-29"},
        {"effectiveDateTime": "2024-02-29T10:00:00+07:00"},
        {"effectiveInstant": "2024-02-29T23:30:00.5Z"},  # the first of March where clocks say +07:00
        {"effectivePeriod": {"start": "2024-02-28", "end": "2024-03-01"}},
        {"effectivePeriod": {"start": "2024-02-29"}},
        {"effectivePeriod": {"end": "2024-02-29"}},
        {"effectiveTiming": {"event": ["2024-01-01", "2024-03-01"]}},
        {"effectiveDateTime": "2023-12-31T23:59:59Z"},  # 2024 where clocks say +07:00
        {"effectiveDateTime": "2025-06"},
        {"effectiveDateTime": "1999-12-31"},
    ]
    values: list[Json] = [
        {"valueQuantity": {"value": 5.4, **_unit("g")}},
        {"valueQuantity": {"value": 5400, **_unit("mg")}},
        {"valueQuantity": {"value": 5.44, **_unit("g")}},
        {"valueQuantity": {"value": 10, **_unit("g"), "comparator": "<"}},
        {"valueQuantity": {"value": 5.4, "unit": "g"}},
        {"valueQuantity": {"value": 5.4, **_unit("mL")}},
    ]
    return [
        {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "?"}, **each}
        for n, each in enumerate([*dates, *values])
    ]


def _unit(code: str) -> Json:
    return {"unit": code, "system": UCUM, "code": code}


def risks() -> list[Json]:
    chances: list[Json] = [
        {"probabilityDecimal": 0.2},
        {"probabilityDecimal": 0.24},
        {"probabilityDecimal": 0.19},
        {"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.3}}},
        {"probabilityRange": {"low": {"value": 0.5}}},
        {"qualitativeRisk": {"text": "?"}},
    ]
    return [
        {
            "resourceType": "RiskAssessment",
            "id": f"r{n}",
            "status": "final",
            "subject": {"reference": "Patient/p0"},
            "prediction": [each],
        }
        for n, each in enumerate(chances)
    ]


def panels() -> list[Json]:
    """Return Observations c0, c1, … with a code and a value, for composites."""
    rows = [("8310-5", 38.5, "Cel", "final"), ("8310-5", 37.0, "Cel", "amended"), ("29463-7", 38.5, "kg", "corrected")]
    return [
        {
            "resourceType": "Observation",
            "id": f"c{n}",
            "status": status,
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "effectiveDateTime": f"201{n}",
            "valueQuantity": {"value": value, **_unit(unit)},
        }
        for n, (code, value, unit, status) in enumerate(rows)
    ]


PATIENTS: list[Json] = [
    {
        "name": [{"family": "Nguyễn", "given": ["Ánh"]}],
        "gender": "female",
        "maritalStatus": {"text": "chưa kết hôn"},
        "identifier": [{"type": {"coding": [{"system": V2_0203, "code": "MR"}], "text": "Số bệnh án"}, "value": "1"}],
        "managingOrganization": {"reference": "Organization/x"},
    },
    {
        "name": [{"family": "nguyen"}],
        "gender": "male",
        "identifier": [{"type": {"coding": [{"system": V2_0203, "code": "SS"}]}, "value": "1"}],
        "managingOrganization": {"identifier": {"system": "http://kcb.example", "value": "01001"}},
    },
    {"name": [{"family": "Trần Nguyên"}]},
]
LOCATIONS: list[Json] = [
    {
        "position": {"latitude": 21.0285, "longitude": 105.8542},
        "managingOrganization": {"reference": "Organization/x"},
    },
    {"position": {"latitude": 21.0033, "longitude": 105.8201}},  # 4.5 km from the one before
    {"position": {"latitude": 10.7769, "longitude": 106.7009}},
    {"position": {"latitude": 0.001, "longitude": 179.999}},
    {"name": "?"},
]
DOSES: list[Json] = [
    {
        "status": "completed",
        "vaccineCode": {"text": "?"},
        "patient": {"reference": "Patient/p0"},
        "occurrenceString": "?",
        "location": {"reference": "Location/l0"},
    }
]
VALUE_SETS = ["http://example.org/fhir/ValueSet/a", "http://example.org/fhir/ValueSet/a/b", "urn:oid:1.2.3", None]


def resources() -> list[Json]:
    """Return all of them, each type with numbers of its own."""
    sets = (
        {"resourceType": "ValueSet", "id": f"v{n}", "status": "draft", **({"url": url} if url else {})}
        for n, url in enumerate(VALUE_SETS)
    )
    patients = ({"resourceType": "Patient", "id": f"p{n}", **each} for n, each in enumerate(PATIENTS))
    places = ({"resourceType": "Location", "id": f"l{n}", **each} for n, each in enumerate(LOCATIONS))
    doses = ({"resourceType": "Immunization", "id": f"i{n}", **each} for n, each in enumerate(DOSES))
    own = {"resourceType": "Organization", "id": "x", "name": "Trạm y tế"}
    return [*observations(), *panels(), *risks(), *patients, *places, *sets, *doses, own]


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds the numbered resources."""
    rows = (entry("PUT", f"{each['resourceType']}/{each['id']}", each) for each in resources())
    answer = await client.post("/fhir", json=bundle("transaction", *rows))
    assert answer.status_code == 200, answer.text
    return client


# (type of the parameter, prefix or modifier), query, the numbers that it finds.
ROWS: list[tuple[str, str, str, str]] = [
    # a day: 2024-02-29, from midnight to midnight at +07:00
    ("date", "", "Observation?date=2024-02-29", "o2 o3"),
    ("date", "eq", "Observation?date=eq2024-02-29", "o2 o3"),
    ("date", "ne", "Observation?date=ne2024-02-29", "o0 o1 o4 o5 o6 o7 o8 o9 o10 o11 c0 c1 c2"),
    ("date", "gt", "Observation?date=gt2024-02-29", "o0 o4 o5 o6 o8 o10"),
    ("date", "lt", "Observation?date=lt2024-02-29", "o0 o1 o5 o7 o8 o9 o11 c0 c1 c2"),
    ("date", "ge", "Observation?date=ge2024-02-29", "o0 o2 o3 o4 o5 o6 o8 o10"),
    ("date", "le", "Observation?date=le2024-02-29", "o0 o1 o2 o3 o5 o7 o8 o9 o11 c0 c1 c2"),
    ("date", "sa", "Observation?date=sa2024-02-29", "o4 o10"),
    ("date", "eb", "Observation?date=eb2024-02-29", "o9 o11 c0 c1 c2"),
    ("date", "ap", "Observation?date=ap2000-01-01&_id=o11,o0", "o11"),
    # a month
    ("date", "eq", "Observation?date=2024-02", "o1 o2 o3"),
    ("date", "ne", "Observation?date=ne2024-02&_id=o0,o1,o2,o4,o6,o7", "o0 o4 o6 o7"),
    ("date", "gt", "Observation?date=gt2024-02", "o0 o4 o5 o6 o8 o10"),
    ("date", "lt", "Observation?date=lt2024-02", "o0 o7 o8 o9 o11 c0 c1 c2"),
    ("date", "ge", "Observation?date=ge2024-02", "o0 o1 o2 o3 o4 o5 o6 o8 o10"),
    ("date", "le", "Observation?date=le2024-02&_id=o0,o1,o2,o3,o4,o5,o6,o7,o8", "o0 o1 o2 o3 o7 o8"),
    ("date", "sa", "Observation?date=sa2024-02", "o4 o10"),
    ("date", "eb", "Observation?date=eb2024-02", "o9 o11 c0 c1 c2"),
    # a year
    ("date", "eq", "Observation?date=2024", "o0 o1 o2 o3 o4 o5 o8 o9"),
    ("date", "ne", "Observation?date=ne2024", "o6 o7 o10 o11 c0 c1 c2"),
    ("date", "gt", "Observation?date=gt2024", "o6 o10"),
    ("date", "lt", "Observation?date=lt2024", "o7 o11 c0 c1 c2"),
    ("date", "ge", "Observation?date=ge2024", "o0 o1 o2 o3 o4 o5 o6 o8 o9 o10"),
    ("date", "le", "Observation?date=le2024", "o0 o1 o2 o3 o4 o5 o7 o8 o9 o11 c0 c1 c2"),
    ("date", "sa", "Observation?date=sa2024", "o10"),
    ("date", "eb", "Observation?date=eb2024", "o11 c0 c1 c2"),
    # a minute, a second, a part of a second; without a zone it is that of the server
    ("date", "eq", "Observation?date=2024-02-29T10:00", "o3"),
    ("date", "eq", "Observation?date=2024-02-29T10:00:00", "o3"),
    ("date", "eq", "Observation?date=2024-02-29T10:00:00%2B07:00", "o3"),
    ("date", "eq", "Observation?date=2024-02-29T03:00Z", "o3"),
    ("date", "eq", "Observation?date=2024-02-29T10:00Z", ""),
    ("date", "eq", "Observation?date=2024-02-29T10:00:00.000", ""),  # a second is longer than a part of it
    ("date", "eq", "Observation?date=2024-03-01T06:30:00.5", "o4"),
    ("date", "gt", "Observation?date=gt2024-02-29T10:00:00&_id=o2,o3,o4", "o2 o4"),
    ("date", "lt", "Observation?date=lt2024-02-29T10:00:00&_id=o2,o3,o4", "o2"),
    ("date", "ge", "Observation?date=ge2024-02-29T10:00:00&_id=o2,o3,o4", "o2 o3 o4"),
    ("date", "sa", "Observation?date=sa2024-02-29T09:59:59&_id=o2,o3,o4", "o3 o4"),
    ("date", "eb", "Observation?date=eb2024-02-29T10:00:01&_id=o2,o3,o4", "o3"),
    ("date", "ap", "Observation?date=ap2024-02-29T10:00:00&_id=o2,o3,o10,o11", "o2 o3"),
    ("date", "missing", "Observation?date:missing=true&value-quantity:missing=false", "o12 o13 o14 o15 o16 o17"),
    ("date", "missing", "Observation?date:missing=false&value-quantity:missing=false", "c0 c1 c2"),
    ("number", "", "RiskAssessment?probability=0.2", "r0 r1 r2"),
    ("number", "eq", "RiskAssessment?probability=eq0.20", "r0"),
    ("number", "ne", "RiskAssessment?probability=ne0.20", "r1 r2 r3 r4"),
    ("number", "gt", "RiskAssessment?probability=gt0.2", "r1 r3 r4"),
    ("number", "lt", "RiskAssessment?probability=lt0.2", "r2 r3"),
    ("number", "ge", "RiskAssessment?probability=ge0.2", "r0 r1 r3 r4"),
    ("number", "le", "RiskAssessment?probability=le0.2", "r0 r2 r3"),
    ("number", "sa", "RiskAssessment?probability=sa0.2", "r1 r4"),
    ("number", "eb", "RiskAssessment?probability=eb0.31", "r0 r1 r2 r3"),
    ("number", "ap", "RiskAssessment?probability=ap0.20", "r0 r2 r3"),
    ("number", "missing", "RiskAssessment?probability:missing=true", "r5"),
    ("quantity", "", "Observation?value-quantity=5.4", "o12 o14 o16 o17"),
    ("quantity", "", f"Observation?value-quantity=5.4|{UCUM}|g", "o12 o13 o14"),
    ("quantity", "", f"Observation?value-quantity=5400|{UCUM}|mg", "o12 o13"),
    ("quantity", "", "Observation?value-quantity=5.4||g", "o12 o14 o16"),
    ("quantity", "", f"Observation?value-quantity=0.0054|{UCUM}|L", "o17"),
    ("quantity", "eq", f"Observation?value-quantity=eq5.40|{UCUM}|g", "o12 o13"),
    ("quantity", "ne", f"Observation?value-quantity=ne5.40|{UCUM}|g", "o14 o15 c2"),
    ("quantity", "gt", f"Observation?value-quantity=gt5.4|{UCUM}|g", "o14 o15 c2"),
    ("quantity", "lt", f"Observation?value-quantity=lt5.4|{UCUM}|g", "o15"),
    ("quantity", "ge", f"Observation?value-quantity=ge5400|{UCUM}|mg", "o12 o13 o14 o15 c2"),
    ("quantity", "le", f"Observation?value-quantity=le5400|{UCUM}|mg", "o12 o13 o15"),
    ("quantity", "sa", f"Observation?value-quantity=sa5.4|{UCUM}|g", "o14 c2"),
    ("quantity", "eb", f"Observation?value-quantity=eb0.02|{UCUM}|kg", "o12 o13 o14 o15"),
    ("quantity", "ap", f"Observation?value-quantity=ap5|{UCUM}|g", "o12 o13 o14 o15"),
    ("quantity", "missing", "Observation?value-quantity:missing=false", "o12 o13 o14 o15 o16 o17 c0 c1 c2"),
    ("token", "", "Patient?gender=female,other", "p0"),
    ("token", "not", "Patient?gender:not=female", "p1 p2"),
    ("token", "missing", "Patient?gender:missing=true", "p2"),
    ("token", "text", "Patient?identifier:text=so benh", "p0"),
    ("token", "of-type", f"Patient?identifier:of-type={V2_0203}|SS|1", "p1"),
    ("token", "in", "Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "p0 p1"),
    ("token", "not-in", "Patient?gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", "p2"),
    ("token", "above", f"Observation?status:above={STATUS}|corrected", "c1 c2"),
    ("token", "below", f"Observation?status:below={STATUS}|amended", "c1 c2"),
    ("string", "", "Patient?family=NGUYEN", "p0 p1 p2"),
    ("string", "exact", "Patient?family:exact=Nguyễn", "p0"),
    ("string", "contains", "Patient?family:contains=guye", "p0 p1 p2"),
    ("string", "missing", "Patient?given:missing=true", "p1 p2"),
    ("reference", "", "Patient?organization=Organization/x", "p0"),
    ("reference", "[type]", "Patient?organization:Organization=x", "p0"),
    ("reference", "identifier", "Patient?organization:identifier=http://kcb.example|01001", "p1"),
    ("reference", "missing", "Patient?organization:missing=true", "p2"),
    ("uri", "", "ValueSet?url=http://example.org/fhir/ValueSet/a", "v0"),
    ("uri", "above", "ValueSet?url:above=http://example.org/fhir/ValueSet/a/b", "v0 v1"),
    ("uri", "below", "ValueSet?url:below=http://example.org/fhir/ValueSet/a", "v0 v1"),
    ("uri", "missing", "ValueSet?url:missing=true", "v3"),
    ("composite", "", "Observation?code-value-quantity=8310-5$38.5", "c0"),
    ("composite", "gt", f"Observation?code-value-quantity={LOINC}|8310-5$gt36.9", "c0 c1"),
    ("composite", "gt", f"Observation?code-value-quantity={LOINC}|8310-5$gt100|{UCUM}|[degF]", "c0"),
    ("composite", "lt", f"Observation?code-value-quantity=29463-7$lt40000|{UCUM}|g", "c2"),
    ("composite", "le", "Observation?combo-code-value-quantity=8310-5$le37", "c1"),
    ("composite", "missing", "Observation?code-value-quantity:missing=false", "c0 c1 c2"),
    ("composite", "missing", "Observation?code-value-quantity:missing=true&_id=o0,o12,c0", "o0 o12"),
    ("special", "", "Location?near=21.0285|105.8542|5|km", "l0 l1"),
    ("special", "", "Location?near=21.0285|105.8542|5|km&organization=x", "l0"),
    ("special", "", "Immunization?location.near=21.0285|105.8542|5|km", "i0"),
    ("special", "", "Immunization?location.near=10.7|106.7|10|km", ""),
    ("special", "", "Organization?_has:Location:organization:near=21.0285|105.8542|5|km", "x"),
    ("special", "", "Organization?_has:Location:organization:near=21.0285|106.8|5|km", ""),
    ("special", "", "Location?near=21.0285|105.8542|4000|m", "l0"),
    ("special", "", "Location?near=21.0285|105.8542", "l0 l1"),
    ("special", "", "Location?near=21.0285|105.8542|1|km,10.7|106.7|10|km", "l0 l2"),
    ("special", "", "Location?near=0|-179.999|1|km", "l3"),
    ("special", "", "Location?near=21.0285|105.8542|5|km&near=21|105.8|4|km", "l1"),
    ("special", "", "Location?near=50|10|5|km", ""),
    ("special", "", "Location?_filter=not(near eq 21.0285|105.8542|5|km) and near pr true", "l2 l3"),
    ("special", "missing", "Location?near:missing=true", "l4"),
]


@pytest.mark.parametrize(("kind", "how", "query", "expected"), ROWS, ids=[row[2] for row in ROWS])
async def test_a_query_finds_exactly_the_numbers_of_its_row(
    stored: httpx.AsyncClient, kind: str, how: str, query: str, expected: str
) -> None:
    assert set(await found(stored, f"{query}&_count=100")) == set(expected.split())


async def test_a_circle_is_part_of_the_plan_that_is_told(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Location?near=21.0285|105.8542|5|km&_explain=true")
    assert numbers(answer) == ["l1", "l0"]
    [outcome] = [row["resource"] for row in answer.json()["entry"] if row["search"]["mode"] == "outcome"]
    [term] = json.loads(outcome["issue"][0]["diagnostics"].removeprefix("Plan: "))["terms"]
    assert (term["parameter"], term["access"]) == ("near", "range")
    assert term["circles"] == [{"latitude": "21.0285", "longitude": "105.8542", "metres": "5000"}]


# The rows whose one parameter a filter can negate.
PLAIN = [
    (type, name, value, "sw" if kind == "string" else "eq", expected)
    for kind, how, query, expected in ROWS
    for type, _, parameter in [query.partition("?")]
    for name, _, value in [parameter.partition("=")]
    if not how and not set("&,:") & set(name + value.replace("://", "")) and name != "_filter"
]


@pytest.mark.parametrize(
    ("type", "name", "value", "operator", "expected"), PLAIN, ids=[f"{r[1]}={r[2]}" for r in PLAIN]
)
async def test_not_finds_all_the_others(
    stored: httpx.AsyncClient, type: str, name: str, value: str, operator: str, expected: str
) -> None:
    every = set(await found(stored, f"{type}?_count=100"))
    others = await found(stored, f"{type}?_filter=not({name} {operator} {value})&_count=100")
    assert set(others) == every - set(expected.split())


def test_every_type_of_parameter_has_a_row_with_each_of_its_prefixes_and_modifiers() -> None:
    there_are = {(kind, how) for kind, how, _, _ in ROWS}
    ordered = {(kind, prefix) for kind in ("date", "number", "quantity") for prefix in PREFIXES}
    modified = {(kind, modifier) for kind, modifiers in MODIFIERS.items() for modifier in modifiers}
    assert ordered | modified | {("reference", "[type]")} | {(kind, "") for kind in MODIFIERS} <= there_are
