"""Searches that go beyond one value: chains both ways, lists, includes that iterate, meanings of codes, filters.

https://hl7.org/fhir/R4/search.html#has · https://hl7.org/fhir/R4/search.html#revinclude ·
https://hl7.org/fhir/R4/search_filter.html
"""

import json
import re
import uuid
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.search_examples import CCCD, CVX, transaction
from tests.http.serving import bundle, entry, serving
from tests.http.test_search import found, numbers, split

Json = dict[str, Any]

MORE: list[Json] = [
    {
        "resourceType": "List",
        "id": "l0",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Patient/p0"}}, {"item": {"reference": "Immunization/i1"}}],
    },
    {
        "resourceType": "Location",
        "id": "h0",
        "name": "Phòng tiêm",
        "managingOrganization": {"reference": "Organization/o1"},
    },
    {"resourceType": "Location", "id": "h1", "partOf": {"reference": "Location/h0"}},
    {"resourceType": "Location", "id": "h2", "partOf": {"reference": "Location/h1"}},
]


VACCINE = "https://example.org/vaccines"
MORE += [
    {
        "resourceType": "Immunization",
        "id": f"t{n}",
        "status": "completed",
        "vaccineCode": code,
        "patient": {"reference": "Patient/p4"},
        "occurrenceDateTime": "2019",
    }
    for n, code in enumerate(
        [
            {"text": "Vắc xin sởi đơn"},
            {"coding": [{"system": VACCINE, "code": "S", "display": "Vắc xin Sởi - Rubella"}]},
            {"coding": [{"system": VACCINE, "code": "D", "display": "Dại"}], "text": "Phòng dại"},
        ]
    )
]
MORE += [
    {"resourceType": "Observation", "id": f"s{n}", "status": status, "code": {"text": "Cân nặng"}}
    for n, status in enumerate(["preliminary", "amended", "corrected"])
]
MORE += [
    {"resourceType": "ValueSet", "id": f"v{n}", "status": "draft", "url": url}
    for n, url in enumerate(
        [
            "http://example.org/fhir/ValueSet/a",
            "http://example.org/fhir/ValueSet/ab",
            "http://example.org/fhir/ValueSet/a/b",
            "http://hl7.org/fhir/ValueSet/x",
            "http://hl7.org/fhir/sid/cvx",
            "http://hl7.org/fhir/sid/other",
            "http://terminology.hl7.org/CodeSystem/x",
            "urn:oid:1.2.3",
        ]
    )
]


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds the numbered resources and those above."""
    more = (entry("PUT", f"{resource['resourceType']}/{resource['id']}", resource) for resource in MORE)
    for body in (transaction(), bundle("transaction", *more)):
        answer = await client.post("/fhir", json=body)
        assert answer.status_code == 200, answer.text
    return client


ROWS = [
    # reverse chains
    ("Patient?_has:Immunization:patient:vaccine-code=08", "p1"),
    (f"Patient?_has:Immunization:patient:vaccine-code={CVX}|208", "p0 p2"),
    ("Patient?_has:Immunization:patient:vaccine-code=999", ""),
    ("Patient?_has:Immunization:patient:date=ge2025", "p1"),
    ("Patient?_has:Immunization:patient:status:not=completed", "p2"),
    ("Patient?_has:Immunization:patient:status=completed,not-done&gender=male", "p1 p2"),
    ("Patient?_has:Immunization:patient:vaccine-code=08&_has:Observation:patient:code=29463-7", "p1"),
    ("Patient?_has:Immunization:patient:vaccine-code=208&_id=p0", "p0"),
    ("Patient?_has:Immunization:patient:performer.name=tram", "p0"),
    ("Organization?_has:Patient:organization:gender=male", "o1"),
    # nested, and as the end of a chain
    ("Organization?_has:Patient:organization:_has:Immunization:patient:lot-number=bcg", "o1"),
    ("Organization?_has:Patient:organization:_has:Immunization:patient:lot-number=ab", "o0"),
    ("Immunization?patient._has:Observation:patient:code=29463-7", "i1 i2"),
    (f"Observation?subject:Patient._has:Immunization:patient:patient.identifier={CCCD}|001194000001", "b1 b4"),
    # long chains
    ("Location?partof.partof.organization.name=benh", "h2"),
    ("Location?partof.organization.partof.identifier=01001", "h1"),
    ("Location?partof.partof.organization.partof.name=tram", "h2"),
    # lists
    ("Patient?_list=l0", "p0"),
    ("Immunization?_list=l0", "i1"),
    ("Immunization?_list=l0&vaccine-code=208", ""),
    ("Patient?_list=nothing", ""),
]


@pytest.mark.parametrize(("query", "expected"), ROWS, ids=[query for query, _ in ROWS])
async def test_a_chain_finds_what_its_other_end_tells(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    assert sorted(await found(stored, query)) == expected.split()
    assert len(await found(stored, f"{query}&_count=1")) == min(1, len(expected.split()))


INCLUDES = [
    ("Location?_id=h2&_include=Location:partof", "h1"),
    ("Location?_id=h2&_include:iterate=Location:partof", "h1 h0"),
    ("Location?_id=h2&_include:iterate=Location:partof&_include:iterate=Location:organization", "h1 h0 o1"),
    ("Location?_id=h0&_revinclude:iterate=Location:partof", "h1 h2"),
    ("Immunization?_id=i1&_include=Immunization:patient&_include:iterate=Patient:organization", "p1 o1"),
    ("Immunization?_id=i1&_include=Immunization:patient&_include:iterate=Organization:partof", "p1"),
    ("Immunization?_id=i1&_include:iterate=Patient:organization", ""),
    (
        "Immunization?_id=i1&_include=Immunization:patient&_include:iterate=Patient:*&_include:iterate=Organization:*",
        "p1 o1 o0",
    ),
    ("Organization?_id=o0&_revinclude=Patient:organization&_revinclude:iterate=Immunization:patient", "p0 i0"),
    ("Immunization?_id=i0&_include=*", "p0 o0"),
    ("Immunization?_id=i0&_include=Immunization:*", "p0 o0"),
    ("Immunization?_id=i0&_include=Immunization:*:Organization", "o0"),
    ("Patient?_id=p1&_revinclude=Immunization:*", "i1 i2"),
    ("Patient?_id=p1&_revinclude=Observation:*&_revinclude=Encounter:*", "b0 b2 e0 e1 e2"),
    ("Patient?_id=p0&_revinclude=Questionnaire:*", ""),
]


@pytest.mark.parametrize(("query", "expected"), INCLUDES, ids=[query for query, _ in INCLUDES])
async def test_includes_follow_what_has_been_included(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    type, parameters = split(query)
    answer = await stored.get(f"/fhir/{type}?{parameters}")
    assert sorted(numbers(answer, "include")) == sorted(expected.split())
    assert len(numbers(answer)) == 1


async def test_a_circle_of_references_ends(client: httpx.AsyncClient) -> None:
    circle = [
        {
            "resourceType": "Organization",
            "id": f"c{n}",
            "name": f"Vòng {n}",
            "partOf": {"reference": f"Organization/c{(n + 1) % 3}"},
        }
        for n in range(3)
    ]
    rows = (entry("PUT", f"Organization/{resource['id']}", resource) for resource in circle)
    assert (await client.post("/fhir", json=bundle("transaction", *rows))).status_code == 200
    answer = await client.get("/fhir/Organization?_id=c0&_include:iterate=Organization:partof")
    assert (numbers(answer), sorted(numbers(answer, "include"))) == (["c0"], ["c1", "c2"])


FILTERS = [
    ("Patient?_filter=gender eq male", "p1 p2"),
    ("Patient?_filter=gender ne male", "p0 p4"),
    ("Patient?_filter=not(gender eq male)", "p0 p3 p4"),
    ("Patient?_filter=gender eq male and active eq true", "p1"),
    ("Patient?_filter=gender eq male or active eq true", "p0 p1 p2"),
    ("Patient?_filter=gender eq female or gender eq male and active eq false", "p2"),  # from left to right
    ("Patient?_filter=gender eq female or (gender eq male and active eq false)", "p0 p2"),
    ("Patient?_filter=not(gender eq male or birthdate ge 1994) and family pr false", "p4"),
    ('Patient?_filter=family eq "NGUYEN"', "p0 p1"),
    ('Patient?_filter=family eq "nguy"', ""),
    ('Patient?_filter=family sw "nguy"', "p0 p1"),
    ('Patient?_filter=family co "guy"', "p0 p1"),
    ('Patient?_filter=name eq "nguyen thi dao"', "p0"),
    ('Patient?_filter=name ew "DAO"', "p0 p2"),
    ('Patient?_filter=name ew "guyen" and not(family ew "an")', "p0 p1"),
    ('Patient?_filter=name ew "thi"', "p0"),  # a given name of hers
    ('Patient?_filter=organization.name ew "nai"', "p1"),
    ("Encounter?_filter=date po 2025-08-12", "e0"),
    ("Encounter?_filter=date po 2025-08", "e0 e1 e2"),
    ("Encounter?_filter=date po 2025-08-12T09:59:00%2B07:00", "e0"),
    ("Patient?_filter=birthdate po 2025-08-30", "p3"),
    ("Patient?_filter=organization re Organization/o0 or _id eq p3", "p0 p3"),
    ("Patient?_filter=birthdate ge 2025", "p1 p3"),
    ("Patient?_filter=birthdate gt 2025-08-12", "p3"),
    ("Patient?_filter=birthdate eq 1994-03-21", "p0"),
    ("Patient?_filter=birthdate ne 2025-08-12", "p0 p2 p3"),
    ("Patient?_filter=birthdate lt 1960 or birthdate sa 2025-08-11", "p1 p2"),
    ("Patient?_filter=birthdate ap 1950 and birthdate eb 1995", "p2"),
    ("Patient?_filter=birthdate pr true", "p0 p1 p2 p3"),
    (f"Patient?_filter=identifier eq {CCCD}|001194000001", "p0"),
    ('Patient?_filter=identifier eq "a,b|c$d\\\\e" or _id eq p4', "p4"),
    ('Patient?_filter=organization.name sw "benh"', "p1"),
    ('Patient?_filter=not(organization.name sw "benh") and gender eq male', "p2"),
    ("Patient?_filter=organization eq Organization/o0 or _id eq p3", "p0 p3"),
    ("Patient?_filter=_has:Immunization:patient:vaccine-code eq 08 or gender eq female", "p0 p1"),
    ("Patient?_filter=gender in http://hl7.org/fhir/ValueSet/administrative-gender and active eq false", "p2"),
    ("Patient?_filter=_lastUpdated ge 2020 and not(_id eq p0)", "p1 p2 p3 p4"),
    ("Patient?_filter=gender eq male&_filter=active eq true", "p1"),
    ("Observation?_filter=value-quantity gt 38 and _id ne b9", "b0"),
    ("Observation?_filter=value-quantity gt 38||Cel or code-value-quantity eq 29463-7$3.25", "b0 b2"),
    ("Observation?_filter=status sb amended", "s1 s2"),
    ("RiskAssessment?_filter=probability gt 0.2", "k0 k3"),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS, ids=[query for query, _ in FILTERS])
async def test_a_filter_joins_criteria(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    assert sorted(await found(stored, query)) == expected.split()
    assert sorted(await found(stored, f"{query}&_sort=_id&_count=3")) == expected.split()[:3]


STATUS = "http://hl7.org/fhir/observation-status"
MODIFIED = [
    # :text: what people read, from its beginning
    ("Immunization?vaccine-code:text=vac xin soi", "t0 t1"),
    ("Immunization?vaccine-code:text=VẮC XIN SỞI RU", "t1"),
    ("Immunization?vaccine-code:text=sởi", ""),
    ("Immunization?vaccine-code:text=phong dai,vac xin soi don", "t0 t2"),
    ("Immunization?vaccine-code:text=vac xin&vaccine-code=S", "t1"),
    ("Immunization?vaccine-code:missing=true", ""),
    ("Immunization?_id=t0,i4&vaccine-code:missing=false", "i4 t0"),
    ("Patient?_has:Immunization:patient:vaccine-code:text=phong", "p4"),
    # :below and :above in a code system's hierarchy
    (f"Observation?_id=s0,s1,s2&status:below={STATUS}|amended", "s1 s2"),
    ("Observation?_id=s0,s1,s2&status:below=amended", "s1 s2"),
    ("Observation?_id=s0,s1,s2&status:below=corrected", "s2"),
    ("Observation?_id=s0,s1,s2&status:above=corrected", "s1 s2"),
    ("Observation?_id=s0,s1,s2&status:above=preliminary", "s0"),
    # :in and :not-in value sets
    ("Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "p0 p1 p2 p4"),
    ("Patient?gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", "p3"),
    ("Observation?_id=s0,b0&status:in=http://hl7.org/fhir/ValueSet/observation-status", "b0 s0"),
    ("Observation?_id=s0,b0&status:in=http://hl7.org/fhir/ValueSet/administrative-gender", ""),
    # :below and :above of URLs, by their path
    ("ValueSet?url:below=http://example.org/fhir/ValueSet/a", "v0 v2"),
    ("ValueSet?url:below=http://example.org/fhir/ValueSet/", "v0 v1 v2"),
    ("ValueSet?url:below=http://example.org", "v0 v1 v2"),
    ("ValueSet?url:below=http://example.or", ""),
    ("ValueSet?url:below=http://hl7.org/fhir", "v3 v4 v5"),
    ("ValueSet?url:below=http://hl7.org", "v3 v4 v5"),
    ("ValueSet?url:below=http://hl7.org/fhir/sid", "v4 v5"),
    ("ValueSet?url:below=http://hl7.org/fhir/sid/cvx", "v4"),
    ("ValueSet?url:below=http://terminology.hl7.org/CodeSystem", "v6"),
    ("ValueSet?url:above=http://example.org/fhir/ValueSet/a/b/c", "v0 v2"),
    ("ValueSet?url:above=http://hl7.org/fhir/sid/cvx/08", "v4"),
    ("ValueSet?url:above=http://example.org/fhir", ""),
]


@pytest.mark.parametrize(("query", "expected"), MODIFIED, ids=[query for query, _ in MODIFIED])
async def test_a_modifier_widens_what_a_value_means(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    assert sorted(await found(stored, query)) == expected.split()


EXPLAINED = [
    ("Patient?gender=male", "equal", "entries", 2),
    ("Patient?name=nguyen&_sort=birthdate", "range", "entries", 2),
    ("Patient?_has:Immunization:patient:vaccine-code=08", "reverse chain", "_id_", 1),
    ("Patient?_filter=gender eq male or active eq true", "or", "entries", 3),
]


@pytest.mark.parametrize(("query", "access", "index", "count"), EXPLAINED, ids=[row[0] for row in EXPLAINED])
async def test_a_search_explains_itself(
    stored: httpx.AsyncClient, query: str, access: str, index: str, count: int
) -> None:
    type, parameters = split(query)
    answer = await stored.get(f"/fhir/{type}?{parameters}&_explain=true")
    assert len(numbers(answer)) == count
    [outcome] = [row["resource"] for row in answer.json()["entry"] if row["search"]["mode"] == "outcome"]
    plan, cost = outcome["issue"]
    assert {plan["severity"], cost["severity"]} == {"information"}
    [term] = json.loads(plan["diagnostics"].removeprefix("Plan: "))["terms"]
    assert term["access"] == access
    assert f"index {index};" in cost["diagnostics"]
    examined = re.search(r"examined (\d+) documents and \d+ keys for (\d+) results", cost["diagnostics"])
    assert examined is not None
    assert (int(examined[1]), int(examined[2])) == (count, count)  # nothing is read that is not answered


async def test_what_cannot_match_is_explained_without_asking(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Patient?organization.name=nobody&_explain=true")
    assert "Nothing can match" in answer.text
    assert "OperationOutcome" not in (await stored.get("/fhir/Patient?gender=male&_explain=false")).text


REFUSED = [
    ("Patient?_explain=yes", "_explain"),
    ("Patient?_filter=gender", "ends too early"),
    ("Patient?_filter=gender eq", "ends too early"),
    ("Patient?_filter=(gender eq male", "ends too early"),
    ("Patient?_filter=gender eq male)", "')' is not expected"),
    ("Patient?_filter=gender eq male active eq true", "'active' is not expected"),
    ("Patient?_filter=gender gt male", "gender cannot be compared by gt"),
    ("Patient?_filter=gender sw male", "gender cannot be compared by sw"),
    ("Patient?_filter=gender co male", "no modifier 'contains'"),
    ("Patient?_filter=name ne An", "name cannot be compared by ne"),
    ("Patient?_filter=birthdate eq ge2020", "birthdate cannot be compared by eq"),
    ("Patient?_filter=nothing eq 1", "_filter: nothing: Patient has no search parameter"),
    ("Patient?_filter=gender re male", "gender cannot be compared by re"),
    ("Patient?_filter=gender ew male", "gender cannot be compared by ew"),
    ("Patient?_filter=name po 2024", "name cannot be compared by po"),
    ("Patient?_filter=birthdate po ge2024", "birthdate cannot be compared by po"),
    ("Patient?_filter=gender xx x", "no operator 'xx'"),
    ("Patient?_filter=" + "(" * 30 + "gender eq male" + ")" * 30, "brackets"),
    ("Patient?_filter=" + " or ".join(["gender eq male"] * 51), "comparisons"),
    ('Patient?_filter=name eq "open', "is not expected"),
    ("Location?near=106.7|10.77|5|km", "near: '106.7|10.77|5|km' is no place"),
    ("Location?near=10.77|106.7|5|kg", "latitude|longitude|distance|unit"),
    ("Location?near:not=10.77|106.7", "no modifier 'not'"),
    ("Location?_sort=near", "cannot be sorted by 'near'"),
    ("ValueSet?url:below=urn:oid:1.2", "only these have a hierarchy"),
    ("Immunization?vaccine-code:in=http://example.org/nothing", "no value set whose codes"),
    ("Immunization?vaccine-code:below=http://snomed.info/sct|1", "does not know that code"),
    ("Patient?_has=x", "_has"),
    ("Patient?_has:Immunization:patient=x", "_has:Immunization:patient"),
    ("Patient?_has:Immunisation:patient:date=2024", "_has:Immunisation"),
    ("Patient?_has:Immunization:location:date=2024", "location of Immunization does not refer to Patient"),
    ("Patient?_has:Immunization:patient:nothing=2024", "nothing"),
    ("Patient?_has:Immunization:patient:date=soon", "soon"),
    ("Location?" + "partof." * 6 + "name=x", "5 references at most"),
    ("Patient?" + "_has:Group:member:" * 6 + "_id=x", "5 references at most"),
    ("Observation?focus.focus.focus.focus.focus.code=x", "kinds of resources"),
    ("Patient?_list=$current-problems", "_list"),
    ("Patient?_include:recurse=Patient:organization", "iterate"),
    ("Patient?_revinclude=*", "_revinclude=Type:*"),
    ("Patient?_include:iterate=*", "_include=Type:*"),
    ("Patient?_include:iterate=Patient:nothing", "Patient:nothing"),
]


@pytest.mark.parametrize(("query", "named"), REFUSED, ids=[query[:60] for query, _ in REFUSED])
async def test_what_cannot_be_followed_is_refused_with_the_reason(
    stored: httpx.AsyncClient, query: str, named: str
) -> None:
    type, parameters = split(query)
    answer = await stored.get(f"/fhir/{type}?{parameters}")
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["issue"][0]["diagnostics"]


async def test_the_capability_statement_names_what_can_be_included(stored: httpx.AsyncClient) -> None:
    [rest] = (await stored.get("/fhir/metadata")).json()["rest"]
    rows = {row["type"]: row for row in rest["resource"]}
    for type in ("Patient", "Organization", "Immunization"):
        for text in rows[type]["searchInclude"]:
            assert (await stored.get(f"/fhir/{type}?_include={text}&_count=1")).status_code == 200, text
        for text in rows[type].get("searchRevInclude", ()):
            assert (await stored.get(f"/fhir/{type}?_revinclude={text}&_count=1&_id=p0")).status_code == 200, text
    assert "Immunization:patient" in rows["Patient"]["searchRevInclude"]


BEYOND = [
    "Patient?_has:Immunization:patient:status=completed",
    "Immunization?patient.gender=male",
    "Patient?_filter=not(_has:Immunization:patient:status eq completed)",
    "Patient?_id=p1&_revinclude=Immunization:patient",
    "Location?_id=h2&_include:iterate=Location:partof",
    "Immunization?_id=i0&_include=*",
]


async def test_what_goes_beyond_a_bound_is_refused_and_not_cut(mongodb_uri: str) -> None:
    name = f"bounds_{uuid.uuid4().hex[:12]}"
    try:
        async with serving(mongodb_uri, name, max_chain=1, max_include=1) as client:
            more = (entry("PUT", f"{resource['resourceType']}/{resource['id']}", resource) for resource in MORE)
            for body in (transaction(), bundle("transaction", *more)):
                assert (await client.post("/fhir", json=body)).status_code == 200
            for query in BEYOND:
                type, parameters = split(query)
                answer = await client.get(f"/fhir/{type}?{parameters}")
                assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly"), query
            within = await client.get("/fhir/Patient?_has:Immunization:patient:vaccine-code=08")
            assert numbers(within) == ["p1"]
    finally:
        with MongoClient[dict[str, object]](mongodb_uri) as admin:
            admin.drop_database(name)
