"""Compressed answers and requests, calls from web pages of other origins, OPTIONS.

https://hl7.org/fhir/R4/http.html#compression · https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import gzip
import json
import uuid
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.serving import JSON, PATIENT, serving

LIMIT = 64 * 1024
PAGE = "https://so-tiem.example"
LONG = {**PATIENT, "address": [{"text": "Số 12, phố Hoa Sữa, phường Ba Đình " * 40}]}


@pytest.fixture(scope="module")
async def open(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that takes 64 KiB and that pages of one other origin may call."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, max_body=LIMIT, cors_origins=(PAGE,)) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("GZIP", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("br", False),
        ("", False),
    ],
)
async def test_an_answer_is_packed_for_who_accepts_it(client: httpx.AsyncClient, accept: str, packed: bool) -> None:
    url = (await client.post("/fhir/Patient", json=LONG)).headers["location"]
    plain = await client.get(url, headers={"accept-encoding": "identity"})
    async with client.stream("GET", url, headers={"accept-encoding": accept}) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
        assert answer.headers["content-length"] == str(len(body))
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["etag"] == plain.headers["etag"]
        assert (gzip.decompress(body) if packed else body) == plain.content
        assert (len(body) < len(plain.content)) == packed


async def test_a_small_answer_stays_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fhir/Patient/nobody", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers


async def test_a_packed_answer_has_a_weak_entity_tag_that_still_answers_304(client: httpx.AsyncClient) -> None:
    plain = await client.get("/fhir/metadata", headers={"accept-encoding": "identity"})
    packed = await client.get("/fhir/metadata", headers={"accept-encoding": "gzip"})
    assert packed.content == plain.content
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    for tag in (plain.headers["etag"], packed.headers["etag"]):
        assert (await client.get("/fhir/metadata", headers={"if-none-match": tag})).status_code == 304


async def test_the_head_of_a_packed_answer_has_its_length(client: httpx.AsyncClient) -> None:
    url = (await client.post("/fhir/Patient", json=LONG)).headers["location"]
    head = await client.head(url, headers={"accept-encoding": "gzip"})
    assert (head.headers["content-encoding"], head.content) == ("gzip", b"")
    assert int(head.headers["content-length"]) < 1024


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
async def test_a_packed_request_is_read(open: httpx.AsyncClient, coding: str) -> None:
    answer = await open.post(
        "/fhir/Patient", content=gzip.compress(json.dumps(LONG).encode()), headers={**JSON, "content-encoding": coding}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["address"] == LONG["address"]


WHOLE = gzip.compress(json.dumps(PATIENT).encode())
SPACES = b" " * (LIMIT - len(json.dumps(PATIENT))) + json.dumps(PATIENT).encode()
REFUSED: list[tuple[str, bytes, int]] = [
    ("gzip", gzip.compress(SPACES), 201),  # just as long as it may be
    ("gzip", gzip.compress(b" " + SPACES), 413),
    ("gzip", gzip.compress(b"0" * 60_000_000), 413),
    ("gzip", WHOLE[:-9], 400),
    ("gzip", WHOLE[:-8] + b"\0" * 8, 400),
    ("gzip", WHOLE + WHOLE, 400),
    ("gzip", json.dumps(PATIENT).encode(), 400),
    ("gzip", b"", 400),
    ("deflate", zlib.compress(json.dumps(PATIENT).encode()), 415),
    ("gzip, gzip", WHOLE, 415),
    ("identity", json.dumps(PATIENT).encode(), 201),
    ("identity", WHOLE, 400),
]


@pytest.mark.parametrize(("coding", "body", "status"), REFUSED, ids=range(len(REFUSED)))
async def test_a_packed_request_is_bounded_and_whole(
    open: httpx.AsyncClient, coding: str, body: bytes, status: int
) -> None:
    answer = await open.post("/fhir/Patient", content=body, headers={**JSON, "content-encoding": coding})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == ("Patient" if status == 201 else "OperationOutcome")


async def test_pages_of_a_named_origin_may_read_and_write(open: httpx.AsyncClient) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "PUT", "access-control-request-headers": "if-match"}
    before = await open.options("/fhir/Patient/1", headers=asked)
    assert (before.status_code, before.content) == (204, b"")
    assert before.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in before.headers["access-control-allow-methods"]
    assert {"if-match", "content-type", "prefer"} <= set(before.headers["access-control-allow-headers"].split(", "))
    public = await open.get("/certificates/trust-list", headers={"origin": PAGE})
    assert public.headers["access-control-allow-origin"] in ("*", PAGE)
    for url in ("/fhir/Patient", "/fhir/Patient/nobody", "/health/live"):
        answer = await open.get(url, headers={"origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE, url
        assert "etag" in answer.headers["access-control-expose-headers"]
        assert "origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", f"{PAGE}.evil.example", "http://so-tiem.example", "null"]
)
async def test_pages_of_other_origins_are_told_nothing(open: httpx.AsyncClient, origin: str) -> None:
    for answer in (
        await open.get("/fhir/Patient", headers={"origin": origin}),
        await open.options("/fhir/Patient", headers={"origin": origin, "access-control-request-method": "GET"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_without_the_setting_no_page_elsewhere_may_call(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.get("/fhir/Patient", headers={"origin": PAGE}),
        await client.options("/fhir/Patient", headers={"origin": PAGE, "access-control-request-method": "GET"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_options_tells_the_methods(client: httpx.AsyncClient) -> None:
    answer = await client.options("/fhir")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "PATCH" in answer.headers["allow"]


async def test_a_foreign_host_name_is_refused_for_options_too(open: httpx.AsyncClient) -> None:
    answer = await open.options("/fhir", headers={"host": "elsewhere.example", "origin": PAGE})
    assert answer.status_code == 403
