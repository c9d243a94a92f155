"""Membership of many codes at once: what a validator cannot tell alone.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from fhir_server.interactions import codes, write
from fhir_server.server import Context, Server, start
from fhir_server.settings import Settings

NOW = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)  # the second of March in Viet Nam
GENDERS, GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender", "http://hl7.org/fhir/administrative-gender"
BASE = "http://example.org"
SYSTEM = {
    "resourceType": "CodeSystem",
    "url": f"{BASE}/cs",
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "old", "property": [{"code": "validTo", "valueDateTime": "2026-03-01"}]},
        {"code": "new", "property": [{"code": "validFrom", "valueDateTime": "2026-03-02"}]},
        {"code": "any"},
    ],
}
SETS = {
    "all": [{"system": f"{BASE}/cs"}],
    "nowhere": [{"system": f"{BASE}/unknown"}],
    "listed": [{"system": f"{BASE}/unknown", "concept": [{"code": "x"}]}],
    "orphan": [{"valueSet": [f"{BASE}/vs/none"]}],
}


@pytest.fixture
async def server(mongodb_uri: str, database: str) -> AsyncIterator[Server]:
    """A server with the definitions above."""
    server = await start(Settings(mongodb_uri=mongodb_uri, database=database), mongodb_uri)
    ctx = context(server)
    await write.create(ctx, "CodeSystem", SYSTEM)
    for number, (name, include) in enumerate(SETS.items()):
        value_set = {"resourceType": "ValueSet", "url": f"{BASE}/vs/{name}", "status": "active"}
        await write.create(context(server, number), "ValueSet", {**value_set, "compose": {"include": include}})
    yield server
    await server.close()


def context(server: Server, number: int = 9) -> Context:
    return Context(server, NOW, lambda: f"made-{number}", "http://localhost/fhir", open=True)


ROWS: list[tuple[str, str | None, str, bool | None]] = [
    (GENDERS, GENDER, "male", True),
    (GENDERS, None, "male", True),
    (GENDERS, GENDER, "man", False),
    (GENDERS, f"{BASE}/cs", "male", False),
    (f"{GENDERS}|4.0.1", GENDER, "male", True),
    (f"{GENDERS}|9", GENDER, "male", None),
    (f"{BASE}/vs/none", GENDER, "male", None),
    (f"{BASE}/vs/orphan", GENDER, "male", None),
    (f"{BASE}/vs/all", f"{BASE}/cs", "any", True),
    (f"{BASE}/vs/all", f"{BASE}/cs", "none", False),
    (f"{BASE}/vs/all", f"{BASE}/cs", "old", False),
    (f"{BASE}/vs/all", f"{BASE}/cs", "new", True),
    (f"{BASE}/vs/nowhere", f"{BASE}/unknown", "x", None),
    (f"{BASE}/vs/listed", f"{BASE}/unknown", "x", True),
    (f"{BASE}/vs/listed", f"{BASE}/unknown", "y", False),
]


async def test_many_questions_are_answered_at_once(server: Server) -> None:
    asked = [(value_set, system, code) for value_set, system, code, _ in ROWS]
    found = await codes.members(context(server), asked)
    assert list(zip(asked, found, strict=True)) == [(row[:3], row[3]) for row in ROWS]
    assert await codes.members(context(server), []) == []


@pytest.mark.parametrize(
    ("at", "expected"), [(date(2026, 3, 1), [True, False, True]), (date(2026, 3, 2), [False, True, True])]
)
async def test_the_day_decides(server: Server, at: date, expected: list[bool]) -> None:
    asked = [(f"{BASE}/vs/all", f"{BASE}/cs", code) for code in ("old", "new", "any")]
    assert await codes.members(context(server), asked, at) == expected
