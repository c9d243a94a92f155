"""The tables of docs/conformance: the pages say what they say, every proof exists, every request is answered so.

https://hl7.org/fhir/R4/http.html and the pages beside it
"""

import importlib.util
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.http.serving import PATIENT, bundle, dose, serving

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "scripts" / "build_conformance.py"
_SPEC = importlib.util.spec_from_file_location("build_conformance", SCRIPT)
assert _SPEC is not None
assert _SPEC.loader is not None
conformance = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(conformance)

TABLES = conformance.tables()
ROWS = [(f"{table.name} {number}", row) for table in TABLES for number, row in enumerate(table.rows, 1)]
REQUEST = re.compile(r"([A-Z]+) (\S+)(?: with (\S+))?(?: \[([a-z-]+): (.+)\])? -> (\d{3})")
REQUESTS = [(name, row, found) for name, row in ROWS if (found := REQUEST.fullmatch(row.proof))]

HISTORY = {
    "fullUrl": "http://x/Patient/h",
    "resource": {**PATIENT, "id": "h"},
    "request": {"method": "PUT", "url": "Patient/h"},
}
BODIES: dict[str, Any] = {
    "patient": {**PATIENT, "id": "a"},
    "nameless": PATIENT,
    "spoilt": {**PATIENT, "id": "a", "gender": "M"},
    "bundle-empty": {"resourceType": "Bundle", "type": "transaction"},
    "bundle-without-request": bundle("transaction", {"resource": PATIENT}),
    "bundle-history": bundle("history", {**HISTORY, "response": {"status": "200"}}),
    "bundle-collection": bundle("collection", {"fullUrl": "http://x/Patient/h", "resource": {**PATIENT, "id": "h"}}),
}


@pytest.fixture(scope="module")
async def stocked(mongodb_uri: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with Patient/a, a dose of theirs, and Patient/gone, which was deleted."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name) as client:
        rows = [{**PATIENT, "id": "a"}, {**PATIENT, "id": "gone"}, dose("Patient/a", id="b")]
        for row in rows:
            assert (await client.put(f"/fhir/{row['resourceType']}/{row['id']}", json=row)).status_code == 201
        await client.delete("/fhir/Patient/gone")
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_the_page_is_made_from_its_table(table: Any) -> None:
    page = conformance.TABLES / f"{table.name}.md"
    assert page.read_text() == conformance.page(table), "run scripts/build_conformance.py"


def test_the_counts_are_those_of_the_tables() -> None:
    text = conformance.PAGE.read_text()
    assert text == conformance.with_counts(text), "run scripts/build_conformance.py"


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[name for name, _ in ROWS])
def test_every_row_has_a_proof(row: Any) -> None:
    if found := REQUEST.fullmatch(row.proof):
        assert found[3] is None or found[3] in BODIES
        assert row.here != "no" or found[6].startswith("4")
        return
    assert row.here != "no", "what is not supported names a request that is refused"
    file, _, name = row.proof.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (HERE / file).read_text(), re.MULTILINE), row.proof


@pytest.mark.parametrize(("row", "found"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
async def test_a_request_is_answered_as_its_row_says(
    stocked: httpx.AsyncClient, row: Any, found: re.Match[str]
) -> None:
    method, path, body, header, value, status = found.groups()
    headers = {**({"content-type": "application/fhir+json"} if body else {}), **({header: value} if header else {})}
    answer = await stocked.request(
        method, f"/fhir/{path.removeprefix('.')}", json=BODIES[body] if body else None, headers=headers
    )
    assert answer.status_code == int(status), answer.text
    if answer.status_code >= 400:
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert {issue["severity"] for issue in outcome["issue"]} & {"error", "fatal"}
