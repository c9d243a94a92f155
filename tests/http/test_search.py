"""Search, as a table: numbered resources (search_examples.py), one row for each query and the numbers it finds.

https://hl7.org/fhir/R4/search.html
"""

import unicodedata
from urllib.parse import parse_qsl, quote

import httpx
import pytest

from tests.http.search_examples import CCCD, CVX, EXAMPLES, LETTERS, LOINC, MRN, SCT, UCUM, V2_0203, transaction


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds the numbered resources."""
    answer = await client.post("/fhir", json=transaction())
    assert answer.status_code == 200, answer.text
    return client


def split(query: str) -> tuple[str, str]:
    """Split `Type?a=b` and quote what a person wrote plainly."""
    type, _, parameters = query.partition("?")
    return type, quote(parameters, safe="=&%:+")


def numbers(answer: httpx.Response, mode: str = "match") -> list[str]:
    """Return the ids of a searchset's entries in their order."""
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["resourceType"], said["type"]) == ("Bundle", "searchset")
    entries = said.get("entry", [])
    for row in entries:
        if row["search"]["mode"] != "outcome":
            assert row["fullUrl"].endswith(f"/fhir/{row['resource']['resourceType']}/{row['resource']['id']}")
    return [row["resource"]["id"] for row in entries if row["search"]["mode"] == mode]


async def found(client: httpx.AsyncClient, query: str) -> list[str]:
    type, parameters = split(query)
    return numbers(await client.get(f"/fhir/{type}?{parameters}"))


ROWS: list[tuple[str, list[int]]] = [
    # token: code, system, both, neither
    ("Patient?gender=male", [1, 2]),
    ("Patient?gender=male,female", [0, 1, 2]),
    ("Patient?gender=http://hl7.org/fhir/administrative-gender|male", [1, 2]),
    ("Patient?gender=http://example.org/other|male", []),
    ("Patient?active=true", [0, 1]),
    ("Patient?active=false", [2]),
    ("Patient?deceased=true", [4]),
    ("Patient?deceased=false", [0, 1, 2, 3]),
    (f"Patient?identifier={CCCD}|001194000001", [0]),
    ("Patient?identifier=001194000001", [0]),
    (f"Patient?identifier={CCCD}|", [0, 1]),
    (f"Patient?identifier={MRN}|001194000001", []),
    ("Patient?identifier=|no-system", [3]),
    ("Patient?identifier=|446053", []),
    ("Patient?identifier=00119400000", []),
    (f"Patient?identifier:of-type={V2_0203}|MR|446053", [2]),
    (f"Patient?identifier:of-type={V2_0203}|MC|446053", []),
    ("Patient?phone=0912345678", [0]),
    ("Patient?email=dao@bv.example", [0]),
    ("Patient?telecom=0912345678", [0]),
    (f"Immunization?vaccine-code={CVX}|08", [1]),
    ("Immunization?vaccine-code=208", [0, 3]),
    ("Immunization?vaccine-code=212,19", [2, 3]),
    (f"Immunization?vaccine-code={CVX}|", [0, 1, 2, 3]),
    ("Immunization?vaccine-code=|208", []),
    ("Immunization?status=completed", [0, 1, 2]),
    ("Immunization?status=not-done", [3]),
    ("Immunization?status-reason=MEDPREC", [3]),
    (f"Immunization?target-disease={SCT}|66071002", [1]),
    # string: beginnings, case and marks do not matter
    ("Patient?name=nguyen", [0, 1]),
    ("Patient?name=NGUYỄN", [0, 1]),
    (f"Patient?name={unicodedata.normalize('NFD', 'nguyễn thị')}", [0]),
    ("Patient?name=đào", [0, 2]),
    ("Patient?name=dao", [0, 2]),
    ("Patient?name=ĐẠO", [0, 2]),
    ("Patient?name=guyen", []),
    ("Patient?name=nguyen+minh+an", [1]),
    ("Patient?name=tran+van+dao", [2]),
    ("Patient?name=oneil", [3]),
    ("Patient?name=be", [3]),
    ("Patient?family=tran", [2]),
    ("Patient?given=thi", [0]),
    ("Patient?given=thị,văn", [0, 2]),
    ("Patient?name=nguyen&name=an", [1]),
    ("Patient?name:exact=Nguyễn Thị Đào", [0]),
    (f"Patient?name:exact={unicodedata.normalize('NFD', 'Nguyễn Thị Đào')}", [0]),
    ("Patient?name:exact=nguyễn thị đào", []),
    ("Patient?family:exact=Nguyen", []),
    ("Patient?name:contains=guy", [0, 1]),
    ("Patient?name:contains=ĐẠ", [0, 2]),
    ("Patient?address-city=ha+noi", [0]),
    ("Patient?address-city:exact=Hà Nội", [0]),
    ("Patient?address=ba+dinh", [0]),
    ("Patient?address:contains=sua", [0]),
    ("Organization?name=tram+y+te", [0]),
    ("Organization?name=benh", [1]),
    ("Organization?name=dong+nai", []),
    ("Organization?name:contains=dong+nai", [1]),
    ("Immunization?lot-number=ab", [0]),
    ("Immunization?series=viem", [1]),
    # escapes
    (f"Patient?identifier={MRN}|a\\,b\\|c\\$d\\\\e", [3]),
    (f"Patient?identifier={MRN}|a,b", []),
    ("Patient?name=o'neil\\, ann", [3]),
    # date: a date is an interval, prefixes compare intervals
    ("Patient?birthdate=2025-08-12", [1]),
    ("Patient?birthdate=2025-08", [1, 3]),
    ("Patient?birthdate=2025", [1, 3]),
    ("Patient?birthdate=ne2025-08-12", [0, 2, 3]),
    ("Patient?birthdate=ge2025", [1, 3]),
    ("Patient?birthdate=gt2025-08-12", [3]),
    ("Patient?birthdate=sa2025-08-11", [1]),
    ("Patient?birthdate=lt1960", [2]),
    ("Patient?birthdate=le1950-06", [2]),
    ("Patient?birthdate=eb1951", [2]),
    ("Patient?birthdate=eb1950-06", []),
    ("Patient?birthdate=1994-03-21,1950", [0, 2]),
    ("Immunization?date=2025-08-21", [2]),
    ("Immunization?date=2025-08-20", []),
    ("Immunization?date=2025-08-12T02:30Z", [1]),
    ("Immunization?date=2025-08-12T09:30:00%2B07:00", [1]),
    ("Immunization?date=2025-08-12T09:31", []),
    ("Immunization?date=2024-02", [3, 4]),
    ("Immunization?date=2024-02-29", [3]),
    ("Immunization?date=ge2025&date=lt2025-08-15", [1]),
    ("Immunization?date=ge2021-08-14&date=le2024-12-31", [0, 3, 4]),
    ("Encounter?date=2025-08-12", [0]),
    ("Encounter?date=ge2025-08-12", [0, 1]),
    ("Encounter?date=sa2025-08-12", [1]),
    ("Encounter?date=lt2025-08-12T09:00:00%2B07:00", [0, 2]),
    ("Encounter?date=eb2025-08-12", [2]),
    ("Encounter?date=gt2030", [1]),
    # number
    ("RiskAssessment?probability=0.8", [0]),
    ("RiskAssessment?probability=0.80", [0]),
    ("RiskAssessment?probability=0.1", [1]),
    ("RiskAssessment?probability=1e-2", [2]),
    ("RiskAssessment?probability=gt0.2", [0, 3]),
    ("RiskAssessment?probability=lt0.05", [2]),
    ("RiskAssessment?probability=ge0.1", [0, 1, 3]),
    ("RiskAssessment?probability=le0.1", [1, 2, 3]),
    ("RiskAssessment?probability=sa0.09", [0, 1, 3]),
    ("RiskAssessment?probability=eb0.31", [1, 2, 3]),
    ("RiskAssessment?probability=ne0.8", [1, 2, 3]),
    # quantity
    ("Observation?value-quantity=38.5", [0]),
    (f"Observation?value-quantity=38.5|{UCUM}|Cel", [0]),
    ("Observation?value-quantity=38.5||Cel", [0]),
    ("Observation?value-quantity=38.5||kg", []),
    ("Observation?value-quantity=38.5|http://example.org|Cel", []),
    ("Observation?value-quantity=37", [1]),
    ("Observation?value-quantity=gt38||Cel", [0]),
    ("Observation?value-quantity=lt36||Cel", [3]),
    ("Observation?value-quantity=le37||Cel", [1, 3]),
    ("Observation?value-quantity=3.25||kg", [2]),
    # composite: the parts belong together
    (f"Observation?code-value-quantity={LOINC}|8310-5$gt38", [0]),
    ("Observation?code-value-quantity=8310-5$37.0||Cel", [1]),
    ("Observation?code-value-quantity=29463-7$38.5||Cel", []),
    ("Observation?component-code-value-quantity=8480-6$gt100", [4]),
    ("Observation?component-code-value-quantity=8480-6$70", []),
    ("Observation?combo-code-value-quantity=8310-5$lt38||Cel,8462-4$70", [1, 3, 4]),
    # reference
    ("Immunization?patient=Patient/p1", [1, 2]),
    ("Immunization?patient=p1", [1, 2]),
    ("Immunization?patient=Patient/p0,Patient/p2", [0, 3]),
    ("Immunization?patient=Group/p1", []),
    ("Immunization?performer=Organization/o0", [0]),
    ("Observation?subject:Patient=p1", [0, 2]),
    ("Observation?patient=p1", [0, 2]),
    ("Organization?partof=o0", [1]),
    (f"Immunization?patient:identifier={CCCD}|001194000001", [4]),
    ("Patient?general-practitioner:identifier=http://bs.example|7", [1]),
    # uri
    ("Questionnaire?url=http://example.org/fhir/Questionnaire/before", [0]),
    ("Questionnaire?url=http://example.org/fhir/questionnaire/before", []),
    ("Questionnaire?url=http://example.org/fhir/Questionnaire", []),
    # missing
    ("Patient?gender:missing=true", [3]),
    ("Patient?gender:missing=false", [0, 1, 2, 4]),
    ("Patient?name:missing=true", [4]),
    ("Patient?birthdate:missing=true", [4]),
    ("Patient?organization:missing=false", [0, 1]),
    ("Immunization?target-disease:missing=true", [2, 3, 4]),
    ("Observation?value-quantity:missing=true", [4]),
    # what every type has
    ("Patient?_id=p0,p3,p9", [0, 3]),
    ("Patient?_id=p0&gender=male", []),
    ("Patient?_tag=http://example.org/tags|cho-xem-lai", [4]),
    ("Patient?_tag=cho-xem-lai", [4]),
    ("Patient?_security=R", [4]),
    ("Patient?_profile=http://hl7.org/fhir/StructureDefinition/Patient", [4]),
    ("Patient?_lastUpdated=ge2020", [0, 1, 2, 3, 4]),
    ("Patient?_lastUpdated=lt2020", []),
    # chains
    (f"Immunization?patient.identifier={CCCD}|001194000001", [0]),
    ("Immunization?patient.name=nguyen", [0, 1, 2]),
    ("Immunization?patient:Patient.birthdate=ge2025", [1, 2]),
    ("Immunization?patient.gender=male&vaccine-code=08", [1]),
    ("Immunization?patient._id=p2", [3]),
    ("Immunization?performer:Organization.name=tram", [0]),
    ("Immunization?patient.organization.name=benh+vien+da", [1, 2]),
    ("Observation?subject:Patient.name=dao", [1, 3, 4]),
    ("Immunization?patient.name=nobody", []),
]


@pytest.mark.parametrize(("query", "expected"), ROWS, ids=[query for query, _ in ROWS])
async def test_a_query_finds_exactly_the_numbers_of_its_row(
    stored: httpx.AsyncClient, query: str, expected: list[int]
) -> None:
    type, parameters = split(query)
    wanted = sorted(f"{LETTERS[type]}{n}" for n in expected)
    assert sorted(numbers(await stored.get(f"/fhir/{type}?{parameters}"))) == wanted
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert sorted(numbers(await stored.post(f"/fhir/{type}/_search", content=parameters, headers=form))) == wanted


# The rows whose one parameter can be negated.
TOKENS = [
    (query, expected)
    for query, expected in ROWS
    if query.split("?")[1].split("=")[0]
    in {"gender", "active", "deceased", "identifier", "vaccine-code", "status", "target-disease", "_tag", "_id"}
    and "&" not in query
]


@pytest.mark.parametrize(("query", "expected"), TOKENS, ids=[query for query, _ in TOKENS])
async def test_not_finds_the_others(stored: httpx.AsyncClient, query: str, expected: list[int]) -> None:
    type, _, _ = query.partition("?")
    others = {f"{LETTERS[type]}{n}" for n in range(len(EXAMPLES[type])) if n not in expected}
    assert set(await found(stored, query.replace("=", ":not=", 1))) == others


async def test_parameters_of_the_address_and_of_the_body_count_together(stored: httpx.AsyncClient) -> None:
    answer = await stored.post("/fhir/Patient/_search?gender=male", data={"active": "true"})
    assert numbers(answer) == ["p1"]


# Dates are ordered by their beginnings, both ways.
SORTED = [
    ("Patient?birthdate:missing=false&_sort=birthdate", "p2 p0 p3 p1"),
    ("Patient?birthdate:missing=false&_sort=-birthdate", "p1 p3 p0 p2"),
    ("Patient?family:missing=false&_sort=family,-birthdate", "p1 p0 p2"),
    ("Patient?family:missing=false&_sort=-family,birthdate", "p2 p0 p1"),
    ("Patient?name:missing=false&_sort=name", "p1 p0 p3 p2"),  # by the whole name, not by a later word of it
    ("Patient?name:missing=false&_sort=-name", "p2 p3 p0 p1"),
    ("Patient?family:missing=false&_sort=given", "p1 p0 p2"),
    ("Patient?_sort=_id", "p0 p1 p2 p3 p4"),
    ("Patient?_sort=-_id", "p4 p3 p2 p1 p0"),
    ("Immunization?_sort=date", "i0 i4 i3 i1 i2"),
    ("Immunization?_sort=-date", "i2 i1 i3 i4 i0"),
    ("RiskAssessment?_sort=-probability&_count=1", "k0"),
    ("Organization?_sort=name", "o1 o0"),
]


@pytest.mark.parametrize(("query", "expected"), SORTED, ids=[query for query, _ in SORTED])
async def test_sort_orders_the_matches(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    assert await found(stored, query) == expected.split()


@pytest.mark.parametrize("order", ["gender", "-gender", "birthdate", "-birthdate", "family", "-family"])
async def test_those_without_the_sort_key_come_together_at_one_end(stored: httpx.AsyncClient, order: str) -> None:
    code = order.removeprefix("-")
    every = await found(stored, f"Patient?_sort={order}")
    without = set(await found(stored, f"Patient?{code}:missing=true"))
    assert set(every) == {f"p{n}" for n in range(5)}
    assert without in (set(every[: len(without)]), set(every[-len(without) :]))


INCLUDES = [
    ("Immunization?_id=i0&_include=Immunization:patient", "p0"),
    ("Immunization?_id=i0&_include=Immunization:patient&_include=Immunization:performer", "p0 o0"),
    ("Immunization?_id=i0&_include=Immunization:patient:Patient", "p0"),
    ("Immunization?_id=i0,i1,i2&_include=Immunization:patient", "p0 p1"),
    ("Immunization?_id=i4&_include=Immunization:patient", ""),
    ("Patient?_id=p1&_revinclude=Immunization:patient", "i1 i2"),
    ("Patient?_id=p1&_revinclude=Immunization:patient&_revinclude=Observation:subject", "i1 i2 b0 b2"),
    ("Patient?_id=p1&_include=Patient:organization&_revinclude=Encounter:subject", "o1 e0 e1 e2"),
    ("Patient?_id=p4&_revinclude=Immunization:patient", ""),
    ("Organization?_include=Organization:partof", ""),
]


@pytest.mark.parametrize(("query", "expected"), INCLUDES, ids=[query for query, _ in INCLUDES])
async def test_includes_come_along_once_and_are_marked(stored: httpx.AsyncClient, query: str, expected: str) -> None:
    type, parameters = split(query)
    answer = await stored.get(f"/fhir/{type}?{parameters}&_total=accurate")
    along = numbers(answer, "include")
    assert sorted(along) == sorted(expected.split())
    assert answer.json()["total"] == len(numbers(answer))  # includes are not counted


REFUSED = [
    ("Patient?nmae=x", "nmae"),
    ("Patient?name:like=x", "like"),
    ("Patient?gender:contains=x", "contains"),
    ("Patient?birthdate=12/08/2025", "birthdate"),
    ("Patient?birthdate=2025-13", "birthdate"),
    ("Patient?birthdate=", "birthdate"),
    ("Patient?_count=-1", "_count"),
    ("Patient?_count=many", "_count"),
    ("Patient?_count=1&_count=2", "_count"),
    ("Patient?_sort=shoesize", "shoesize"),
    ("Patient?_summary=short", "_summary"),
    ("Patient?_summary=true&_elements=name", "_elements"),
    ("Patient?_summary=text&_include=Patient:organization", "_summary"),
    ("Patient?_elements=nom", "nom"),
    ("Patient?_total=all", "_total"),
    ("Patient?_text=x", "_text"),
    ("Patient?_content=x", "_content"),
    ("Patient?_filter=name equals x", "_filter"),
    ("Patient?_query=x", "_query"),
    ("Patient?gender:missing=perhaps", "missing"),
    ("Patient?_id=a b", "_id"),
    ("Patient?organization.nope=x", "nope"),
    ("Patient?gender.code=x", "gender"),
    ("Patient?_include=Immunization:patient", "_include"),
    ("Patient?_include=Patient:nope", "_include"),
    ("Patient?_revinclude=Immunization:performer", "_revinclude"),
    ("Immunization?patient:Device=1", "Device"),
    ("RiskAssessment?probability=high", "probability"),
    ("RiskAssessment?probability=1e999999999", "probability"),
    ("Observation?value-quantity=5|kg", "value-quantity"),
    ("Observation?code-value-quantity=8310-5", "code-value-quantity"),
    ("Patient?$where=1", "$where"),
    ("Patient?a.b=1", "a"),
    ("Patient?name=" + "x" * 5000, "name"),
    ("Patient?name=!!!", "name"),
    ("Patient?identifier=" + ",".join(map(str, range(300))), "identifier"),
]


@pytest.mark.parametrize(("query", "named"), REFUSED, ids=[query[:60] for query, _ in REFUSED])
async def test_a_parameter_that_cannot_be_served_is_refused_by_name(
    stored: httpx.AsyncClient, query: str, named: str
) -> None:
    type, parameters = split(query)
    answer = await stored.get(f"/fhir/{type}?{parameters}", headers={"accept-language": "vi"})
    assert answer.status_code == 400, answer.text
    issue = answer.json()["issue"][0]
    assert named in issue["diagnostics"]
    assert named in issue["details"]["text"]
    assert issue["details"]["text"] != issue["diagnostics"]


async def test_every_parameter_that_is_wrong_is_named_at_once(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Patient?nmae=x&birthdate=soon&gender=male")
    said = [issue["diagnostics"] for issue in answer.json()["issue"]]
    assert [text.split(":")[0] for text in said] == ["nmae", "birthdate"]


async def test_a_lenient_search_leaves_out_what_it_does_not_know_and_says_so(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Patient?gender=male&nmae=x&_text=1", headers={"prefer": "handling=lenient"})
    assert sorted(numbers(answer)) == ["p1", "p2"]
    [link] = [row["url"] for row in answer.json()["link"] if row["relation"] == "self"]
    assert parse_qsl(link.partition("?")[2]) == [("gender", "male")]
    [outcome] = [row["resource"] for row in answer.json()["entry"] if row["search"]["mode"] == "outcome"]
    assert {issue["severity"] for issue in outcome["issue"]} == {"warning"}
    assert [name for name in ("nmae", "_text") if name in answer.text] == ["nmae", "_text"]


async def test_a_lenient_search_still_refuses_a_value_it_cannot_read(stored: httpx.AsyncClient) -> None:
    answer = await stored.get("/fhir/Patient?birthdate=soon", headers={"prefer": "handling=lenient"})
    assert answer.status_code == 400


async def test_the_self_link_finds_the_same_again(stored: httpx.AsyncClient) -> None:
    type, parameters = split(f"Patient?name=nguyễn&identifier={CCCD}|&_sort=-birthdate&_count=10")
    answer = await stored.get(f"/fhir/{type}?{parameters}")
    [link] = [row["url"] for row in answer.json()["link"] if row["relation"] == "self"]
    assert link.startswith(f"{stored.base_url}/fhir/Patient?")
    assert dict(parse_qsl(link.partition("?")[2])) == dict(parse_qsl(parameters))
    assert numbers(await stored.get(link)) == numbers(answer) == ["p1", "p0"]


async def test_totals_are_counted_when_asked_for(stored: httpx.AsyncClient) -> None:
    assert "total" not in (await stored.get("/fhir/Patient?gender=male")).json()
    for parameters in ("_total=accurate&_count=1", "_summary=count", "_count=0", "_total=accurate&_count=0"):
        answer = await stored.get(f"/fhir/Patient?gender=male&{parameters}")
        assert answer.json()["total"] == 2, parameters
        if "_count=1" not in parameters:
            assert "entry" not in answer.json(), parameters
            assert [row["relation"] for row in answer.json()["link"]] == ["self"]
