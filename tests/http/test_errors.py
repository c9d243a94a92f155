"""Every error is an OperationOutcome, wherever it comes from, and says nothing of the inside.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import logging
from typing import Any, NoReturn

import httpx
import pytest

from fhir_server.interactions import read, write
from fhir_server.operations import certificates
from tests.http.serving import PATIENT, bundle, entry


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/fhirx/Patient", 404),
        ("GET", "/certificates", 404),
        ("GET", "/certificates/x", 404),
        ("GET", "/certificates/verify", 405),
        ("PUT", "/certificates/trust-list", 405),
        ("POST", "/health/live", 405),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/%2e%2e/etc/passwd", 404),
        ("TRACE", "/fhir/Patient", 405),
    ],
)
async def test_an_address_where_nothing_is(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["resourceType"] == "OperationOutcome"
    assert said["issue"][0]["details"]["text"]


async def test_the_methods_that_there_are_are_named(client: httpx.AsyncClient) -> None:
    assert (await client.get("/certificates/verify")).headers["allow"] == "POST"


SECRET = "001225000012"


def broken(*arguments: Any, **options: Any) -> NoReturn:
    raise ValueError(f"the inside speaks of {SECRET}")


async def test_an_unexpected_failure_says_nothing_of_the_inside_to_the_client(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(read, "read", broken)
    monkeypatch.setattr(certificates, "verified", broken)
    for answer in (
        await client.get("/fhir/Patient/a"),
        await client.post("/certificates/verify", json={"certificate": "HC1:X"}),
    ):
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (500, "exception")
        assert SECRET not in answer.text
    failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(failures) == 2
    # Where it failed is in the log; what the failure said is not, for it can hold what a client sent.
    assert "in broken" in caplog.text
    assert SECRET not in caplog.text


async def test_one_entry_that_fails_unexpectedly_leaves_the_others_of_a_batch_alone(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write.check

    def check(ctx: Any, type: str, resource: Any) -> write.Checked:
        return broken() if resource.get("gender") == "other" else whole(ctx, type, resource)

    monkeypatch.setattr(write, "check", check)
    rows = [entry("POST", "Patient", {**PATIENT, "gender": gender}) for gender in ("male", "other", "female")]
    answer = await client.post("/fhir", json=bundle("batch", *rows))
    assert [row["response"]["status"] for row in answer.json()["entry"]] == ["201 Created", "500", "201 Created"]
    assert SECRET not in answer.text
    assert (await client.post("/fhir", json=bundle("transaction", *rows))).status_code == 500


async def test_errors_speak_the_language_that_is_asked_for(client: httpx.AsyncClient) -> None:
    for header, start in (("vi", "Không"), ("en", "Patient/a"), ("fr, vi;q=0.5, en;q=0.4", "Không"), ("", "Patient/a")):
        answer = await client.get("/fhir/Patient/a", headers={"accept-language": header})
        assert answer.json()["issue"][0]["details"]["text"].startswith(start), header
