"""Conditions inside transactions: conditional entries and conditional references; which links are links.

https://hl7.org/fhir/R4/http.html#trules · https://hl7.org/fhir/R4/bundle.html#references
"""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.serving import PATIENT, bundle, dose, entry
from tests.http.test_conditional import FHIR, how_many, person

CHILD = "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1b01"
Json = dict[str, Any]


async def post(client: httpx.AsyncClient, *entries: Json, type: str = "transaction") -> httpx.Response:
    return await client.post(FHIR, json=bundle(type, *entries))


def conditional(method: str, url: str, resource: Json | None = None, full_url: str | None = None, **asked: str) -> Json:
    """Return an entry with a condition in its request."""
    made = entry(method, url, resource, **({"fullUrl": full_url} if full_url else {}))
    made["request"] |= asked
    return made


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["response"]["status"] for row in answer.json()["entry"]]


def located(answer: httpx.Response, position: int) -> str:
    """Return `Type/id` of what the entry at `position` wrote or found."""
    return "/".join(answer.json()["entry"][position]["response"]["location"].split("/")[:2])


async def stored(client: httpx.AsyncClient, answer: httpx.Response, position: int) -> Json:
    return dict((await client.get(f"{FHIR}/{located(answer, position)}")).json())


async def test_a_conditional_reference_becomes_its_only_match(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    patient = f"Patient/{(await client.post(f'{FHIR}/Patient', json=resource)).json()['id']}"
    given = dose(
        f"Patient?{condition}",
        identifier=[{"value": f"Patient?{condition}"}],
        extension=[{"url": "http://example.org/x", "valueReference": {"reference": f"Patient?{condition}"}}],
    )
    answer = await post(client, entry("POST", "Immunization", given), entry("POST", "Immunization", given))
    assert statuses(answer) == ["201 Created"] * 2
    for position in range(2):
        found = await stored(client, answer, position)
        assert found["patient"]["reference"] == patient
        assert found["extension"][0]["valueReference"]["reference"] == patient
        assert found["identifier"][0]["value"] == f"Patient?{condition}"


async def test_a_conditional_reference_without_one_match_fails_the_whole(client: httpx.AsyncClient) -> None:
    nobody, several = person()[1], person()
    for _ in range(2):
        await client.post(f"{FHIR}/Patient", json=several[0])
    lot = "no-such-lot"
    answer = await post(
        client,
        entry("POST", "Immunization", dose("Patient/x", lotNumber=lot)),
        entry("POST", "Immunization", dose(f"Patient?{nobody}", lotNumber=lot)),
        entry("POST", "Immunization", dose(f"Patient?{several[1]}", lotNumber=lot)),
    )
    assert answer.status_code == 412
    issues = answer.json()["issue"]
    assert [(issue["code"], issue["expression"]) for issue in issues] == [
        ("not-found", ["Bundle.entry[1].resource"]),
        ("multiple-matches", ["Bundle.entry[2].resource"]),
    ]
    assert await how_many(client, f"lot-number={lot}", "Immunization") == 0


async def test_hundreds_of_conditional_references_are_resolved_together(client: httpx.AsyncClient) -> None:
    people = [person() for _ in range(250)]
    made = await post(client, *(entry("POST", "Patient", resource) for resource, _ in people))
    doses = [entry("POST", "Immunization", dose(f"Patient?{condition}")) for _, condition in people]
    answer = await post(client, *doses)
    assert set(statuses(answer)) == {"201 Created"}
    for position in (0, 123, 249):
        assert (await stored(client, answer, position))["patient"]["reference"] == located(made, position)


@pytest.mark.parametrize("condition", ["nope=1", "", "_count=3"])
async def test_a_conditional_reference_that_is_no_search_is_refused(client: httpx.AsyncClient, condition: str) -> None:
    answer = await post(client, entry("POST", "Immunization", dose(f"Patient?{condition}")))
    assert answer.status_code == (400 if condition else 422)
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[0].resource")


async def test_outside_of_a_transaction_a_conditional_reference_is_refused(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    await client.post(f"{FHIR}/Patient", json=resource)
    given = dose(f"Patient?{condition}")
    assert (await client.post(f"{FHIR}/Immunization", json=given)).status_code == 422
    alone = await post(client, entry("POST", "Immunization", given), type="batch")
    assert statuses(alone) == ["422"]


async def test_a_conditional_create_stores_or_leads_to_what_is_there(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    entries = [
        conditional("POST", "Patient", resource, CHILD, ifNoneExist=condition),
        entry("POST", "Immunization", dose(CHILD)),
    ]
    first, second = await post(client, *entries), await post(client, *entries)
    assert (statuses(first), statuses(second)) == (["201 Created"] * 2, ["200 OK", "201 Created"])
    assert located(first, 0) == located(second, 0)
    assert (await stored(client, second, 1))["patient"]["reference"] == located(first, 0)
    assert await how_many(client, condition) == 1


async def test_of_parallel_transactions_one_creates(client: httpx.AsyncClient) -> None:
    for refine in ("", "&birthdate=ge2020"):
        resource, condition = person()
        entries = [
            conditional("POST", "Patient", resource, CHILD, ifNoneExist=condition + refine),
            entry("POST", "Immunization", dose(CHILD)),
        ]
        answers = await asyncio.gather(*(post(client, *entries) for _ in range(8)))
        assert sorted(statuses(answer)[0] for answer in answers) == ["200 OK"] * 7 + ["201 Created"]
        assert len({located(answer, 0) for answer in answers}) == 1
        assert await how_many(client, condition) == 1
        doses = await how_many(client, f"patient={located(answers[0], 0)}", "Immunization")
        assert doses == 8


async def test_a_transaction_and_single_requests_share_their_claims(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    header = {"if-none-exist": condition}
    await asyncio.gather(
        *(client.post(f"{FHIR}/Patient", json=resource, headers=header) for _ in range(5)),
        *(post(client, conditional("POST", "Patient", resource, ifNoneExist=condition)) for _ in range(5)),
        *(client.put(f"{FHIR}/Patient?{condition}", json=resource) for _ in range(5)),
    )
    assert await how_many(client, condition) == 1


async def test_conditional_updates_and_deletes_are_part_of_the_whole(client: httpx.AsyncClient) -> None:
    (one, first), (two, second), (new, third) = person(), person(), person()
    for resource in (one, two):
        await client.post(f"{FHIR}/Patient", json=resource)
    answer = await post(
        client,
        conditional("PUT", f"Patient?{first}", {**one, "active": True}, CHILD, ifMatch='W/"1"'),
        conditional("DELETE", f"Patient?{second}"),
        conditional("PUT", f"Patient?{third}", new),
        conditional("DELETE", f"Patient?{person()[1]}"),
        entry("POST", "Immunization", dose(CHILD)),
        entry("GET", f"Patient?{first}"),
    )
    assert statuses(answer)[:5] == ["200 OK", "204 No Content", "201 Created", "204 No Content", "201 Created"]
    assert answer.json()["entry"][5]["resource"]["entry"][0]["resource"]["active"] is True
    assert (await stored(client, answer, 4))["patient"]["reference"] == located(answer, 0)
    assert [await how_many(client, condition) for condition in (first, second, third)] == [1, 0, 1]


async def test_an_entry_that_changes_nothing_makes_no_version(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    made = (await client.post(f"{FHIR}/Patient", json=resource)).json()
    answer = await post(
        client, entry("PUT", f"Patient/{made['id']}", made), entry("POST", "Immunization", dose("Patient/x"))
    )
    assert answer.json()["entry"][0]["response"]["etag"] == 'W/"1"'
    assert await how_many(client, f"{condition}&_id={made['id']}") == 1


async def test_conditions_that_fail_fail_the_whole(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    several = person()
    made = (await client.post(f"{FHIR}/Patient", json=resource)).json()
    for _ in range(2):
        await client.post(f"{FHIR}/Patient", json=several[0])
    url = f"Patient/{made['id']}"
    cases = [
        (conditional("POST", "Patient", PATIENT, ifNoneExist=several[1]), 412),
        (conditional("PUT", f"Patient?{several[1]}", PATIENT), 412),
        (conditional("DELETE", f"Patient?{several[1]}"), 412),
        (conditional("PUT", url, made, ifNoneMatch="*"), 412),
        (conditional("PUT", f"Patient?{condition}", made, ifMatch='W/"9"'), 412),
        (conditional("PUT", f"Patient?{condition}", {**made, "id": "other"}), 400),
        (conditional("PUT", f"Patient?{person()[1]}", made), 409),
        (conditional("POST", "Patient", PATIENT, ifNoneExist="nope=1"), 400),
        (conditional("DELETE", "Patient?_count=1"), 400),
    ]
    lot = "a-failed-condition"
    for failing, status in cases:
        answer = await post(client, entry("POST", "Immunization", dose("Patient/x", lotNumber=lot)), failing)
        assert answer.status_code == status, failing
        assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].request"]
    assert await how_many(client, f"lot-number={lot}", "Immunization") == 0


async def test_entries_that_speak_for_the_same_resource_are_refused(client: httpx.AsyncClient) -> None:
    resource, condition = person()
    made = (await client.post(f"{FHIR}/Patient", json=resource)).json()
    fresh, absent = person()
    url = f"Patient/{made['id']}"
    pairs = [
        (conditional("PUT", f"Patient?{condition}", resource), entry("PUT", url, made)),
        (entry("PUT", url, made), conditional("DELETE", f"Patient?{condition}")),
        (conditional("POST", "Patient", resource, ifNoneExist=condition), entry("DELETE", url)),
        (conditional("PUT", f"Patient?{condition}", resource), conditional("DELETE", f"Patient?{condition}")),
        (
            conditional("POST", "Patient", fresh, ifNoneExist=absent),
            conditional("POST", "Patient", fresh, ifNoneExist=absent),
        ),
        (conditional("POST", "Patient", fresh, ifNoneExist=absent), conditional("PUT", f"Patient?{absent}", fresh)),
    ]
    for pair in pairs:
        answer = await post(client, *pair)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["Bundle.entry[1]"]), pair
    twice = [conditional("POST", "Patient", resource, ifNoneExist=condition)] * 2
    assert statuses(await post(client, *twice)) == ["200 OK"] * 2


LINKS = [
    ("urn:oid:1.2.3.4", "urn:oid:1.2.3.4", "{patient}"),
    ("http://other.example/fhir/Patient/23", "http://other.example/fhir/Patient/23", "{patient}"),
    ("http://other.example/fhir/Patient/23", "Patient/23", "{patient}"),
    ("http://third.example/fhir/Patient/23", "Patient/23", "Patient/23"),
    (CHILD, "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1b02", "urn:uuid:3f0e0c52-7d3a-4a51-9a7e-0d6a3a4f1b02"),
]


@pytest.mark.parametrize(("full_url", "link", "expected"), LINKS, ids=[f"{row[0]} {row[1]}" for row in LINKS])
async def test_links_lead_to_the_entry_with_the_full_url(
    client: httpx.AsyncClient, full_url: str, link: str, expected: str
) -> None:
    answer = await post(
        client,
        entry("POST", "Patient", PATIENT, fullUrl=full_url),
        entry("POST", "Immunization", dose(link), fullUrl="http://other.example/fhir/Immunization/5"),
    )
    assert statuses(answer) == ["201 Created"] * 2
    found = (await stored(client, answer, 1))["patient"]["reference"]
    assert found == expected.format(patient=located(answer, 0))


async def test_a_fragment_stays_on_a_link(client: httpx.AsyncClient) -> None:
    given = dose(CHILD, extension=[{"url": "http://example.org/x", "valueUri": f"{CHILD}#name"}])
    answer = await post(client, entry("POST", "Patient", PATIENT, fullUrl=CHILD), entry("POST", "Immunization", given))
    found = await stored(client, answer, 1)
    assert found["extension"][0]["valueUri"] == f"{located(answer, 0)}#name"
