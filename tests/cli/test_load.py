"""`fhir-server load`: what is in files gets into the server, once; what does not is counted with its reason.

docs/operations.md describes it.
"""

import asyncio
import contextlib
import gzip
import json
import re
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.cli import loading, progress
from fhir_server.cli.loading import Report
from fhir_server.cli.sources import Unit
from fhir_server.web.app import Application
from tests.cli.commands import PROGRAM, called, run
from tests.http.serving import PATIENT, bundle, dose, entry, serving

Json = dict[str, Any]


class Counter503:
    """An ASGI proxy that counts the Bundles it sees and is busy for the first `busy` of them."""

    def __init__(self, app: Application, busy: int = 0, pause: float = 0):
        self.app, self.busy, self.pause = app, busy, pause
        self.seen: Counter[str] = Counter()  # by the id of the first Patient

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/fhir"):
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self.busy > 0:
            self.busy -= 1
            headers = [(b"retry-after", b"0"), (b"content-type", b"text/html")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"<h1>busy</h1>"})
            return
        found = re.search(rb'"id":\s*"(p\d+)"', body)
        self.seen[found[1].decode() if found else ""] += 1
        await asyncio.sleep(self.pause)
        parts = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def whole() -> Any:
            return next(parts)

        await self.app(scope, whole, send)


@contextlib.asynccontextmanager
async def behind(
    mongodb_uri: str, database: str, busy: int = 0, pause: float = 0
) -> AsyncIterator[tuple[httpx.AsyncClient, Counter503]]:
    """Yield a client of a server behind such a proxy, and the proxy."""
    proxies: list[Counter503] = []

    def through(app: Application) -> Counter503:
        proxies.append(Counter503(app, busy, pause))
        return proxies[0]

    async with serving(mongodb_uri, database, through=through) as client:
        yield client, proxies[0]


def lines(file: Path, resources: Iterable[Json]) -> None:
    text = "".join(json.dumps(resource) + "\n" for resource in resources)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def child(number: int, **changes: Any) -> Json:
    return {**PATIENT, "id": f"p{number}", **changes}


async def total(client: httpx.AsyncClient, type: str) -> int:
    return int((await client.get(f"/fhir/{type}?_summary=count")).json()["total"])


@pytest.mark.parametrize(
    ("doses", "people"),
    [("1-Immunization.ndjson.gz", "2-Patient.ndjson"), ("a.ndjson.gz", "people.ndjson")],
    ids=["names tell the types", "only the content does"],
)
async def test_a_folder_is_loaded_whole_in_an_order_that_references_can_follow(
    mongodb_uri: str, database: str, tmp_path: Path, doses: str, people: str
) -> None:
    (tmp_path / "deep").mkdir()
    lines(tmp_path / doses, (dose(f"Patient/p{n}", id=f"i{n}") for n in range(120)))
    lines(tmp_path / "deep" / people, (child(n) for n in range(120)))
    whole = bundle("transaction", entry("PUT", "Patient/p900", child(900)), entry("POST", "Patient", PATIENT))
    (tmp_path / "z.json").write_text(json.dumps(whole))
    (tmp_path / "y.json.gz").write_bytes(gzip.compress(json.dumps(child(901)).encode()))
    (tmp_path / "notes.txt").write_text("not data")
    async with serving(mongodb_uri, database, references="enforce") as client:
        for _ in range(2):
            result = await run("load", tmp_path, "--url", f"{client.base_url}/fhir")
            assert result.status == 0, result.err
            assert "243 stored, 0 failed" in result.err
            for address in ("Patient/p0", "Patient/p901", "Immunization/i119"):
                assert (await client.get(f"/fhir/{address}")).headers[
                    "etag"
                ] == 'W/"1"'  # the second time changes nothing
        assert await total(client, "Immunization") == 120


async def test_what_fails_is_counted_by_its_reason_and_the_rest_is_stored(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    before = await total(client, "Patient")
    good = [child(1000 + n) for n in range(5)]
    bad = [child(2000 + n, gender="M") for n in range(3)] + [child(3000, birthDate="soon")]
    file = tmp_path / "Patient.ndjson"
    lines(file, [*good, *bad])
    file.write_text(file.read_text() + '{"resourceType": "Patient", "id"\n\n[]\n{"x": 1}\n')
    result = await run("load", file, "--url", f"{client.base_url}/fhir")
    assert result.status == 1
    said = result.err
    assert "5 stored, 7 failed" in said
    assert re.search(r"^ +3  error +Patient.gender:format  Patient  \S+Patient.ndjson:6 Patient.gender$", said, re.M)
    assert re.search(r"^ +1  error +Patient.birthDate:format  Patient  \S+:9 Patient.birthDate$", said, re.M)
    assert re.search(r"^ +1  error +structure  -  \S+:10$", said, re.M)
    assert "not JSON" in said
    assert "soon" not in said
    assert await total(client, "Patient") == before + 5


async def test_files_that_cannot_be_read_are_counted_and_the_others_loaded(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    (tmp_path / "b.ndjson.gz").write_bytes(b"no gzip")
    whole = gzip.compress("".join(json.dumps(child(n, id=str(uuid.uuid4()))) + "\n" for n in range(4000)).encode())
    (tmp_path / "c.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.json").write_text(json.dumps(child(4000)))
    result = await run("load", tmp_path, "--url", f"{client.base_url}/fhir")
    assert result.status == 1
    assert "Traceback" not in result.err
    for name in ("a.json", "b.ndjson.gz", "c.ndjson.gz"):
        assert f"{name} cannot be read" in " ".join(result.err.split())
    assert (await client.get("/fhir/Patient/p4000")).status_code == 200


async def test_a_busy_server_is_waited_for(mongodb_uri: str, database: str, tmp_path: Path) -> None:
    lines(tmp_path / "Patient.ndjson", (child(n) for n in range(250)))
    async with behind(mongodb_uri, database, busy=4) as (client, _):
        result = await run("load", tmp_path, "--url", f"{client.base_url}/fhir")
        assert result.status == 0, result.err
        assert "250 stored, 0 failed" in result.err
        assert await total(client, "Patient") == 250


async def test_an_interrupted_load_goes_on_where_it_was_and_sends_each_unit_once(
    mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    units = 30
    file, state = tmp_path / "Patient.ndjson", tmp_path / "load.json"
    bundles = (bundle("transaction", entry("PUT", f"Patient/p{n}", child(n))) for n in range(units))
    lines(file, bundles)
    async with behind(mongodb_uri, database, pause=0.03) as (client, proxy):
        words = ("load", str(file), "--url", f"{client.base_url}/fhir", "--state", str(state), "--parallel", "2")
        process = await asyncio.create_subprocess_exec(*PROGRAM, *words, stderr=asyncio.subprocess.PIPE)
        while sum(proxy.seen.values()) < 8:  # noqa: ASYNC110 (counted elsewhere)
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 1
        assert b"interrupted" in err
        assert b"goes on from here" in b" ".join(err.split())
        assert 8 <= len(proxy.seen) < units
        result = await run(*words)
        assert result.status == 0, result.err
        assert proxy.seen == Counter({f"p{n}": 1 for n in range(units)})
        assert progress.Progress(state).done(file) == units
    file.write_text(file.read_text() + json.dumps(child(99)) + "\n")
    assert progress.Progress(state).done(file) == 0  # another file now


def test_when_nobody_answers_the_load_stops_and_nothing_counts_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LONGEST_PAUSE", 0.01)
    lines(tmp_path / "Patient.ndjson", (child(n) for n in range(5)))
    state = tmp_path / "load.json"
    words = ("load", "Patient.ndjson", "--url", "http://127.0.0.1:9/fhir")
    result = called(*words, "--state", state, cwd=tmp_path)
    assert result.status == 1
    assert "Stopped: no connection to http://127.0.0.1:9/fhir" in result.err
    assert json.loads(state.read_text()) == {}
    assert "--state" in called(*words, cwd=tmp_path).err


async def test_an_answer_that_is_not_fhir_is_told_as_that(tmp_path: Path) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n<h1>Hi</h1>")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    (tmp_path / "a.json").write_text(json.dumps(PATIENT))
    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
        loaded = await run("load", tmp_path, "--url", url)
        issued = await run("certificate", "issue", "x", "--url", url)
    assert (loaded.status, issued.status) == (1, 2)
    for said in (loaded.err, issued.err):
        assert "is the --url right?" in " ".join(said.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "No such file or folder: nowhere"),
        (("a.json", "--url", "127.0.0.1:8080/fhir"), "no address of a server"),
        (("a.json", "--url", "http://[::1"), "no address of a server"),
        (("a.json", "--state", "garbage.json"), "remembers"),
        (("a.json", "--state", "list.json"), "remembers"),
        (("a.json", "--state", "nowhere/load.json"), "remembers"),
        (("a.json", "--parallel", "0"), "parallel"),
        ((), "Missing argument"),
    ],
    ids=str,
)
def test_a_command_that_makes_no_sense_sends_nothing(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(PATIENT))
    (tmp_path / "garbage.json").write_text("{")
    (tmp_path / "list.json").write_text("[1]")
    result = called("load", *words, cwd=tmp_path)
    assert result.status == 2
    assert said in " ".join(result.err.split())


def test_entries_that_the_server_was_too_busy_for_are_sent_again() -> None:
    rows = [entry("POST", "Patient", child(n)) for n in range(3)]
    statuses = ["201 Created", "503", "422"]
    answer = httpx.Response(200, json=bundle("batch-response", *({"response": {"status": each}} for each in statuses)))
    report = Report()
    unit = Unit(Path("a"), 0, bundle("batch", *rows), (1, 2, 3), gathered=True)
    assert loading._count(unit, [0, 1, 2], answer, report) == [1]
    assert (report.stored, report.failed) == (1, 1)


NATIONAL = "https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"


def unknown_birth(number: int) -> Json:
    """A person as old records have them: valid R4, not what the programme's profile demands."""
    return {name: value for name, value in child(number).items() if name not in {"birthDate", "gender"}}


# The server's settings, what the load asks for, its status, how many of 4 are stored, severity of what 2 break.
STRICTNESS: dict[str, tuple[dict[str, Any], str | None, int, int, str | None]] = {
    "off stays off": ({}, None, 0, 4, None),
    "off raised to warn": ({}, "warn", 0, 4, "warning"),
    "off raised to enforce": ({}, "enforce", 1, 2, "error"),
    "warn as the setting says": ({"profiles": "warn"}, None, 0, 4, "warning"),
    "enforce lowered where that is allowed": (
        {"profiles": "enforce", "profiles_at_least": "warn"},
        "warn",
        0,
        4,
        "warning",
    ),
    "enforce not lowered": ({"profiles": "enforce"}, "warn", 2, 0, None),
    "lowered no further than allowed": ({"profiles": "enforce", "profiles_at_least": "warn"}, "off", 2, 0, None),
}


@pytest.mark.parametrize("case", STRICTNESS)
async def test_a_load_is_held_to_the_profiles_as_it_asks_and_the_server_allows(
    mongodb_uri: str, database: str, tmp_path: Path, case: str
) -> None:
    settings, asked, status, stored, severity = STRICTNESS[case]
    whole = bundle("transaction", entry("PUT", "Patient/p4", unknown_birth(4)))
    lines(tmp_path / "a.ndjson", [child(1), unknown_birth(2), child(3), whole])
    options = ("--profiles", asked) if asked else ()
    async with serving(mongodb_uri, database, **settings) as client:
        report = tmp_path / "report.json"  # in the folder that is loaded
        words = ("load", ".", "--url", f"{client.base_url}/fhir", "--report", report, "--parallel", "1")
        result = await run(*words, *options, cwd=tmp_path)
        assert result.status == status, result.err
        assert await total(client, "Patient") == stored
    said = json.loads(report.read_bytes())
    assert said["stored"] == stored
    broken = [row for row in said["rules"] if row["rule"] == "Patient.birthDate:min"]
    assert [(row["severity"], row["resources"], row["type"]) for row in broken] == (
        [(severity, 2, "Patient")] if severity else []
    )
    if severity:
        [row] = broken
        assert row["example"] == {"file": "a.ndjson", "line": 2, "expression": "Patient.birthDate"}
        assert row["profile"] == NATIONAL
        assert set(row["text"]) == {"en", "vi"}
        assert row["text"]["en"] != row["text"]["vi"]
    if status == 2:
        assert "FHIR_PROFILES_AT_LEAST" in result.err
