"""`fhir-server serve`: refuses what cannot work with one sentence that says what to do; starts, serves and stops.

docs/settings.md · docs/operations.md
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from fhir_server.cli import serving
from fhir_server.settings import Settings
from fhir_server.store.mongod import find_mongod
from signing import hc1, keystore
from tests.cli.commands import Result, called, run, served
from tests.http.serving import PATIENT
from tests.http.test_certificates import PAYLOAD

EMBEDDED = ("--embedded", "data")

REFUSED: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "no database": ((), {}, "--embedded FOLDER"),
    "open to everybody": (("--host", "0.0.0.0", *EMBEDDED), {}, "--insecure-open"),
    "open to everybody (IPv6)": (("--host", "::", *EMBEDDED), {}, "--insecure-open"),
    "open by name": (("--host", "example.org", *EMBEDDED), {}, "--insecure-open"),
    "port too large": (("--port", "99999", *EMBEDDED), {}, "port"),
    "port no number": (EMBEDDED, {"FHIR_PORT": "http"}, "port"),
    "no processes": (("--workers", "0", *EMBEDDED), {}, "workers"),
    "unknown choice": (EMBEDDED, {"FHIR_REFERENCES": "perhaps"}, "'off' or 'enforce'"),
    "database name": (EMBEDDED, {"FHIR_DATABASE": "a.b"}, "database"),
    "unknown time zone": (EMBEDDED, {"FHIR_TIME_ZONE": "Asia/Saigon2"}, "Asia/Ho_Chi_Minh"),
    "time zone with a path": (EMBEDDED, {"FHIR_TIME_ZONE": "../zone"}, "Asia/Ho_Chi_Minh"),
    "packages are no list": (EMBEDDED, {"FHIR_PACKAGES": "packages"}, "JSON array"),
    "a package is missing": (EMBEDDED, {"FHIR_PACKAGES": '["nowhere.tgz"]'}, "nowhere.tgz"),
    "no keys in the folder": (("--keys", "nowhere", *EMBEDDED), {}, "*.key.pem"),
    "nobody to trust": (EMBEDDED, {"FHIR_TRUST": "nowhere"}, "nowhere"),
    "another's address": (("--host", "192.0.2.1", "--insecure-open", *EMBEDDED), {}, "--host"),
    "no such rules": (EMBEDDED, {"FHIR_RULES": "nowhere"}, "nowhere"),
    "no such authorities of facilities": (EMBEDDED, {"FHIR_FACILITY_TRUST": "nowhere"}, "nowhere"),
    "a public address that is none": (EMBEDDED, {"FHIR_BASE_URL": "imm.example.vn/fhir"}, "base_url"),
    "a password that is not escaped": (("--mongodb-uri", "mongodb://me:s/ecret@h/?replicaSet=r"), {}, "%2F for /"),
    "a percent sign that is not escaped": (("--mongodb-uri", "mongodb://me:s%zecret@h/"), {}, "%25 for %"),
    "an address that is none": (("--mongodb-uri", "http://me:secret@h/"), {}, "mongodb://"),
    "data in a file": (("--embedded", __file__), {}, "test_serve.py"),
}


def refused(*words: str | Path, folder: Path, **environment: str) -> str:
    """Return what a `serve` that ends at once says."""
    return _sentence(called("serve", *words, cwd=folder, **environment))


def _sentence(result: Result) -> str:
    assert result.status == 2, result
    assert "Traceback" not in result.err
    assert result.out == ""
    return " ".join(result.err.split())


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_with_a_remedy(tmp_path: Path, case: str) -> None:
    words, environment, said = REFUSED[case]
    words = words if "--port" in words or "FHIR_PORT" in environment else ("--port", "0", *words)
    told = refused(*words, folder=tmp_path, **environment)
    assert said in told
    assert "ecret" not in told
    assert len(told) < 500


async def test_a_database_where_nobody_answers_is_named_without_its_password(tmp_path: Path) -> None:
    # As a process of its own: PyMongo leaves a socket behind when a client is closed while it tries to connect.
    uri = "mongodb://me:secret@127.0.0.1:9/?tls=true&tlsCertificateKeyFilePassword=secret"
    result = await run("serve", "--port", "0", "--mongodb-uri", uri, cwd=tmp_path)
    assert "No MongoDB answers at 127" in _sentence(result)
    assert "secret" not in result.err


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port}" in refused("--mongodb-uri", "mongodb://x", "--port", str(port), folder=tmp_path)


@contextlib.contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Run a mongod that is no replica set; yield its address."""
    path = folder / "alone.sock"
    command = [str(find_mongod()), "--dbpath", str(folder), "--bind_ip", str(path), "--unixSocketPrefix", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                while probe.connect_ex(str(path)):
                    assert process.poll() is None
            yield f"mongodb://{quote(str(path), safe='')}/"
        finally:
            process.kill()


def test_a_mongodb_that_is_no_replica_set_is_refused_with_the_way_to_make_it_one(tmp_path: Path) -> None:
    with standalone(tmp_path) as uri:
        told = refused("--mongodb-uri", uri, "--port", "0", folder=tmp_path)
    assert "rs.initiate()" in told


def mongods(folder: Path) -> list[str]:
    """Return the processes that keep data below `folder`."""
    found = subprocess.run(["pgrep", "-f", f"dbpath {folder}"], capture_output=True, text=True, check=False)
    return found.stdout.split()


async def gone(folder: Path) -> bool:
    """Return whether no mongod is left, at the latest after some seconds."""
    for _ in range(200):
        if not mongods(folder):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_stop_leaves_no_process_behind_and_the_data_stay(tmp_path: Path) -> None:
    location = content = None
    for with_signal in (signal.SIGKILL, signal.SIGINT):
        async with served(*EMBEDDED, cwd=tmp_path) as server:
            url = await server.url()
            async with httpx.AsyncClient(base_url=url) as client:
                if location is None:
                    assert "Made development signing keys" in server.log
                    created = await client.post("/fhir/Patient", json=PATIENT)
                    location, content = created.headers["location"].removeprefix(url), created.content
                    again = await run("serve", "--port", "0", *EMBEDDED, cwd=tmp_path)
                    assert "uses the data in" in _sentence(again)  # a folder serves one server at a time
                else:
                    assert "Made" not in server.log  # the keys of the first time
                assert (await client.get(location)).content == content
            assert mongods(tmp_path)
            await server.stop(with_signal)
            assert "Traceback" not in server.log
        assert await gone(tmp_path)


async def test_several_processes_share_pages_records_and_keys(
    tmp_path: Path, mongodb_uri: str, database: str, keys: Path
) -> None:
    # What the command line says goes before the environment: --port 0 is a free one.
    environment = {"FHIR_DATABASE": database, "FHIR_MONGODB_URI": mongodb_uri, "FHIR_PORT": "9"}
    async with served("--workers", "2", "--keys", keys, cwd=tmp_path, **environment) as server:
        url = await server.url()
        async with httpx.AsyncClient(base_url=url) as client:
            for number in range(10):
                child = {**PATIENT, "id": f"p{number}"}
                assert (await client.put(f"/fhir/Patient/p{number}", json=child)).status_code == 201
        seen: list[str] = []
        page = f"{url}/fhir/Patient?_count=1&_sort=_id"
        while page:
            # A new connection each time: sooner or later the other process gets it.
            async with httpx.AsyncClient() as client:
                response = await client.get(page)
            assert response.status_code == 200, (response.text, server.log)
            answer = response.json()
            seen += [row["resource"]["id"] for row in answer["entry"]]
            assert len(seen) <= 10
            page = next((row["url"] for row in answer["link"] if row["relation"] == "next"), "")
        assert seen == [f"p{number}" for number in range(10)]
        certificate = hc1.issue(PAYLOAD, keystore.load(keys).keys[0], datetime.now(UTC)).text
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/certificates/verify", json={"certificate": certificate})
            assert answer.json()["valid"] is True
        assert len(children(server.process.pid)) >= 2
    assert children(server.process.pid) == []  # stopped with SIGTERM
    assert "Traceback" not in server.log


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


async def test_the_demonstration_loads_its_people_without_one_failure(
    tmp_path: Path, mongodb_uri: str, database: str
) -> None:
    environment = {"FHIR_DATABASE": database, "FHIR_REFERENCES": "enforce"}
    async with (
        served("--mongodb-uri", mongodb_uri, "--demo", cwd=tmp_path, **environment) as server,
        httpx.AsyncClient(base_url=await server.url(), timeout=30) as client,
    ):
        async with asyncio.timeout(120):
            while "the examples are loaded" not in server.log:  # noqa: ASYNC110 (a log, not an event)
                await asyncio.sleep(0.1)
        people = (await client.get("/fhir/Patient?_summary=count")).json()["total"]
        doses = (await client.get("/fhir/Immunization?_summary=count")).json()["total"]
        child = (await client.get("/fhir/Patient?name=nguyen+minh+an&_revinclude=Immunization:patient")).json()
        await client.get("/fhir/Patient?nmae=001225000012")
    assert people == 200
    assert doses > 1000
    assert len(child["entry"]) > 10
    assert "0 Bundles failed" in server.log
    assert " ERROR " not in server.log
    assert " WARNING " not in server.log
    # One line for each interaction, and nothing of anybody in it.
    assert "Search Patient 200" in server.log
    assert not any(secret in server.log for secret in ("nguyen", "001225", child["entry"][0]["resource"]["id"]))


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"base_url": "https://imm.example.vn/fhir"}, True),
        ({"base_url": "https://imm.example.vn/fhir", "issuer_url": "https://imm.example.vn"}, False),
        ({}, False),
    ],
    ids=["published", "with its issuer", "on this machine"],
)
def test_a_server_that_is_published_says_when_its_cards_name_no_issuer(
    given: dict[str, str], warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.announce(Settings(keys=tmp_path, **given), "mongodb://localhost")  # type: ignore[arg-type]
    assert ("set FHIR_ISSUER_URL" in " ".join(capsys.readouterr().err.split())) is warned
