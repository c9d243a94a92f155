"""Every search is bounded: what goes beyond is refused with the reason in both languages, never cut in silence.

https://hl7.org/fhir/R4/search.html · https://hl7.org/fhir/R4/http.html#search
"""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.search import criteria, expression, query
from fhir_server.search.types import string, uri
from tests.http.search_examples import transaction
from tests.http.serving import PATIENT, serving
from tests.http.test_search import numbers

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds the numbered resources."""
    answer = await client.post("/fhir", json=transaction())
    assert answer.status_code == 200, answer.text
    return client


def times(text: str, count: int, between: str = "&") -> str:
    return between.join([text] * count)


# What is bounded: the most that is taken, and one more.
BOUNDS = [
    ("alternatives", "Patient?_id={}", lambda n: ",".join(f"a{i}" for i in range(n)), criteria.VALUES),
    ("parameters", "Patient?{}", lambda n: times("gender=male", n), query.PARAMETERS),
    ("a value", "Patient?identifier={}", lambda n: "x" * n, query.TEXT),
    ("a text to search for", "Patient?name={}", lambda n: "x" * n, string.QUERY),
    ("a text that is contained", "Patient?name:contains={}", lambda n: "x" * n, string.QUERY),
    ("a url's place", "ValueSet?url:below=http://x/{}", lambda n: "x" * (n - len("http://x/")), uri.LONGEST),
    (
        "sort keys",
        "Patient?_sort={}",
        lambda n: ",".join(["gender", "-name", "family", "given", "_id", "active"][:n]),
        5,
    ),
    ("includes", "Patient?{}", lambda n: times("_include=Patient:organization", n), query.INCLUDES),
    ("includes back", "Patient?{}", lambda n: times("_revinclude=Immunization:patient", n), query.INCLUDES),
    ("references of a chain", "Location?{}name=x", lambda n: "partof." * n, criteria.DEPTH),
    ("references of a chain back", "Patient?{}_id=x", lambda n: "_has:Group:member:" * n, criteria.DEPTH),
    ("comparisons", "Patient?_filter={}", lambda n: times("gender eq male", n, " or "), expression.COMPARISONS),
    (
        "brackets in brackets",
        "Patient?_filter={}",
        lambda n: f"{'(' * n}gender eq male{')' * n}",
        expression.NESTED,
    ),
]


@pytest.mark.parametrize(("template", "fill", "most"), [row[1:] for row in BOUNDS], ids=[row[0] for row in BOUNDS])
async def test_a_search_is_taken_up_to_its_bound_and_refused_beyond(
    stored: httpx.AsyncClient, template: str, fill: object, most: int
) -> None:
    assert callable(fill)
    for count, status in ((most, 200), (most + 1, 400)):
        type, _, parameters = template.format(fill(count)).partition("?")
        answer = await stored.post(
            f"/fhir/{type}/_search", content=parameters, headers=FORM | {"accept-language": "vi"}
        )
        assert answer.status_code == status, (count, answer.text[:500])
    [issue] = answer.json()["issue"]
    assert issue["diagnostics"]
    assert issue["details"]["text"] != issue["diagnostics"]


@pytest.mark.parametrize(
    ("query", "instead"),
    [
        ("Patient?_text=sốt", ":contains"),
        ("Patient?_content=sốt", ":contains"),
        ("Patient?_query=recent", "_filter"),
        ("Patient?_contained=true", "chains"),
        ("Patient?_containedType=container", "chains"),
        ("Patient?_has=x", "_has:Type:reference:parameter=value"),
        ("Patient?_score=1", "_sort"),
        ("Patient?_type=Patient", "GET [base]?_type=A,B"),
        ("Patient?age=7", "leave it out"),
        ("Patient?_list=$current-allergies", "give the id of a List"),
        ("Patient?_revinclude=*", "_revinclude=Type:*"),
    ],
)
async def test_what_is_not_supported_is_refused_with_what_to_do_instead(
    stored: httpx.AsyncClient, query: str, instead: str
) -> None:
    answer = await stored.get(f"/fhir/{query}", headers={"accept-language": "vi"})
    [issue] = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (400, "not-supported")
    assert instead in issue["diagnostics"]
    assert issue["details"]["text"] != issue["diagnostics"]
    lenient = await stored.get(f"/fhir/{query}", headers={"prefer": "handling=lenient"})
    assert lenient.status_code == 200


async def test_a_page_holds_no_more_than_the_bound_and_the_self_link_says_so(stored: httpx.AsyncClient) -> None:
    answer = await stored.get(f"/fhir/Patient?_count={query.MAX_COUNT + 1}")
    assert f"_count={query.MAX_COUNT}" in answer.json()["link"][0]["url"]


@pytest.fixture(scope="module")
async def slow(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server whose searches may take 100 ms, with Patients whose sort keys take much longer to find."""
    name = f"slow_{uuid.uuid4().hex[:12]}"
    entries = [f"name|x{number}" for number in range(20_000)]
    many = ({"_id": f"p{n}", "v": 1, "s": n, "m": "PUT", "raw": b"{}", "ix": entries} for n in range(150))
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        async with serving(mongodb_uri, name, search_timeout=100) as client:
            assert (await client.post("/fhir/Patient", json=PATIENT)).status_code == 201
            admin[name]["Patient"].drop_index("entries")  # which would take minutes to make
            admin[name]["Patient"].insert_many(many)
            yield client
        admin.drop_database(name)


@pytest.mark.parametrize("path", ["Patient?_sort=name", "Patient?_sort=-name&_count=1", "Patient?_sort=family,name"])
async def test_a_search_that_takes_too_long_is_ended_and_told(slow: httpx.AsyncClient, path: str) -> None:
    answer = await slow.get(f"/fhir/{path}", headers={"accept-language": "vi"})
    assert answer.status_code == 422, answer.text[:500]
    [issue] = answer.json()["issue"]
    assert issue["code"] == "too-costly"
    assert "takes too long: narrow it" in issue["diagnostics"]
    assert "thu hẹp" in issue["details"]["text"]
    assert numbers(await slow.get("/fhir/Patient?_id=nobody")) == []  # the server is well
