"""Pages, bundles and includes.

https://hl7.org/fhir/R4/http.html#paging · https://hl7.org/fhir/R4/bundle.html
"""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.outcome import BadRequest
from fhir_server.search import bundle, include, page, query
from fhir_server.search.bundle import Change, Entry
from fhir_server.search.query import Query
from tests.search.searching import CATALOGUE, INDEXER, NOW

KEY = b"k" * 32
BASE = "https://x/fhir"


def parse(*parameters: tuple[str, str], type: str = "Patient") -> Query:
    return query.parse(CATALOGUE, type, parameters, now=NOW)


def following(read: Query, last: page.Key) -> str:
    return dict(page.links(BASE, read, page.sign(KEY, read, last)))["next"]


def reread(url: str) -> Query:
    return parse(*parse_qsl(urlsplit(url).query, keep_blank_values=True))


keys = st.lists(st.none() | st.text(st.characters(exclude_categories=("Cs",))), max_size=2)


@given(keys, st.integers(0, 2**63 - 1))
def test_a_following_page_begins_after_the_last_match(values: list[str | None], sequence: int) -> None:
    read = parse(("name", r"Nguyễn & Văn,a\|b"), ("_sort", "family"), ("_count", "5"))
    last = (*values, sequence)
    assert page.after(KEY, reread(following(read, last))) == last


def test_the_first_page_begins_at_the_beginning() -> None:
    assert page.after(KEY, parse()) is None


CURSOR = page.sign(KEY, parse(("name", "An")), (5,))


@pytest.mark.parametrize("text", [CURSOR[:-2], "A" + CURSOR[1:], CURSOR + "A", "x", "é", "=" * 9, "A" * 4097])
def test_a_changed_cursor_is_refused(text: str) -> None:
    assert page.after(KEY, parse(("name", "An"), ("_cursor", CURSOR))) == (5,)
    with pytest.raises(BadRequest):
        page.after(KEY, parse(("name", "An"), ("_cursor", text)))


def test_a_cursor_of_another_key_or_search_is_refused() -> None:
    read = parse(("name", "An"))
    with pytest.raises(BadRequest):
        page.after(b"other", parse(("name", "An"), ("_cursor", page.sign(KEY, read, (5,)))))
    for other in (("name", "Anh"),), (("name", "An"), ("_sort", "family")), ():
        with pytest.raises(BadRequest):
            page.after(KEY, parse(*other, ("_cursor", page.sign(KEY, read, (5,)))))


def test_the_size_of_a_page_may_change_on_the_way() -> None:
    cursor = page.sign(KEY, parse(("name", "An"), ("_count", "5")), (5,))
    assert page.after(KEY, parse(("_count", "9"), ("name", "An"), ("_cursor", cursor))) == (5,)


def test_the_self_link_says_what_was_applied() -> None:
    read = query.parse(
        CATALOGUE,
        "Patient",
        [("name", "Nguyễn & An"), ("nothing", "1"), ("_count", "9999"), ("identifier", "http://x|1")],
        now=NOW,
        lenient=True,
    )
    [(relation, url)] = page.links(BASE, read, None)
    assert relation == "self"
    assert url.startswith(f"{BASE}/Patient?")
    assert parse_qsl(urlsplit(url).query) == [("name", "Nguyễn & An"), ("_count", "1000"), ("identifier", "http://x|1")]


def test_a_search_without_parameters_has_a_plain_link() -> None:
    assert page.links(BASE, parse(), None) == [("self", f"{BASE}/Patient")]


def test_a_searchset_is_spliced_from_bytes() -> None:
    patient, organization = b'{"resourceType":"Patient","x":1.10}', b'{"resourceType":"Organization"}'
    entries = [Entry("u/1", patient), Entry("u/2", organization, "include")]
    body = bundle.searchset([("self", "s"), ("next", 'n"')], entries, total=7, outcome=b"{}", timestamp="2024-01-01")
    assert patient in body
    assert json.loads(body) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "timestamp": "2024-01-01",
        "total": 7,
        "link": [{"relation": "self", "url": "s"}, {"relation": "next", "url": 'n"'}],
        "entry": [
            {"fullUrl": "u/1", "resource": {"resourceType": "Patient", "x": 1.1}, "search": {"mode": "match"}},
            {"fullUrl": "u/2", "resource": {"resourceType": "Organization"}, "search": {"mode": "include"}},
            {"resource": {}, "search": {"mode": "outcome"}},
        ],
    }


def test_an_empty_searchset_has_no_entry() -> None:
    assert json.loads(bundle.searchset([], [])) == {"resourceType": "Bundle", "type": "searchset"}


def test_a_history_says_what_was_done() -> None:
    gone = Change("u/1", None, "DELETE", "Patient/1", "204", 'W/"2"', "2024-01-02T00:00:00.000Z")
    made = Change("u/1", b'{"id":"1"}', "POST", "Patient", "201", 'W/"1"', "2024-01-01T00:00:00.000Z")
    first, second = json.loads(bundle.history([], [gone, made]))["entry"]
    assert first == {
        "fullUrl": "u/1",
        "request": {"method": "DELETE", "url": "Patient/1"},
        "response": {"status": "204", "etag": 'W/"2"', "lastModified": "2024-01-02T00:00:00.000Z"},
    }
    assert second["resource"] == {"id": "1"}


DOSES = {
    "1": {"patient": {"reference": "Patient/1"}, "performer": [{"actor": {"reference": "Organization/o"}}]},
    "2": {"patient": {"reference": "Patient/1"}, "performer": [{"actor": {"reference": "Practitioner/d"}}]},
    "3": {"patient": {"reference": "https://other.example/Patient/9"}, "performer": [{"actor": {"display": "?"}}]},
    "4": {"patient": {"identifier": {"value": "x|Patient"}}, "performer": [{"actor": {"reference": "urn:uuid:A"}}]},
}
ENTRIES = {
    ("Immunization", id): INDEXER.index({"resourceType": "Immunization", **dose}).entries for id, dose in DOSES.items()
}
INCLUDES = [
    (["Immunization:patient"], [("Patient", "1")]),
    (["Immunization:performer"], [("Organization", "o"), ("Practitioner", "d")]),
    (["Immunization:performer:Organization"], [("Organization", "o")]),
    (["Immunization:performer:Organization", "Immunization:patient"], [("Organization", "o"), ("Patient", "1")]),
    ([], []),
]


@pytest.mark.parametrize(("wanted", "expected"), INCLUDES, ids=[",".join(wanted) for wanted, _ in INCLUDES])
def test_included_are_the_local_resources_that_the_page_refers_to(
    wanted: list[str], expected: list[tuple[str, str]]
) -> None:
    read = parse(*(("_include", text) for text in wanted), type="Immunization")
    assert include.forward(read, ENTRIES, again=False) == expected
    assert include.forward(read, ENTRIES, again=True) == []


def test_reverse_includes_look_for_references_to_the_page() -> None:
    read = parse(("_revinclude", "Immunization:patient"), ("_revinclude", "Observation:subject"))
    doses, observations = include.backward(read, [("Patient", "2"), ("Patient", "1")], again=False)
    assert (doses.type, doses.condition) == (
        "Immunization",
        {"ix": {"$in": ["patient|1|Patient", "patient|2|Patient"]}},
    )
    assert observations.type == "Observation"
    assert include.backward(read, [], again=False) == []
