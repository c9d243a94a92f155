"""The embedded mongod: started, supervised, stopped; one server to a folder; never left behind.

https://www.mongodb.com/docs/manual/reference/program/mongod/
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_server.store import mongod
from fhir_server.store.embedded import EmbeddedMongo
from fhir_server.store.mongod import EmbeddedUnavailable


def _small(folder: Path, port: int | None = None) -> EmbeddedMongo:
    return EmbeddedMongo(folder, port=port, cache_gb=0.25, oplog_mb=64)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_data_outlives_a_stop_a_move_and_a_change_of_address(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with _small(before) as mongod, MongoClient[dict[str, Any]](mongod.uri) as client:
        client["x"]["y"].insert_one({"_id": 1})
        pid = mongod.pid
        assert pid
    assert not _runs(pid)
    before.rename(after)
    port = _free_port()
    for restarted in (_small(after), _small(after, port=port)):
        with restarted, MongoClient[dict[str, Any]](restarted.uri) as client:
            assert client["x"]["y"].find_one() == {"_id": 1}
            with client.start_session() as session, session.start_transaction():
                client["x"]["y"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
                client["x"]["y"].update_one({"_id": 1}, {"$unset": {"n": 1}}, session=session)


def test_without_a_port_nobody_else_on_the_machine_can_connect(tmp_path: Path) -> None:
    folder = tmp_path / "mongod"
    with _small(folder) as mongod:
        assert folder.stat().st_mode & 0o077 == 0
        listening = subprocess.run(["cat", f"/proc/{mongod.pid}/net/tcp"], capture_output=True, text=True, check=True)
        inodes = {line.split()[9] for line in listening.stdout.splitlines()[1:] if line.split()[3] == "0A"}
        links = []
        for entry in Path(f"/proc/{mongod.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # mongod closes files meanwhile, never its listening socket
                links.append(os.readlink(entry))
        assert not {f"socket:[{inode}]" for inode in inodes} & set(links)


def test_a_folder_with_a_long_name_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    with _small(folder) as mongod, MongoClient[dict[str, Any]](mongod.uri) as client:
        assert client.admin.command("hello")["isWritablePrimary"]


def test_a_mongod_that_dies_is_started_again(tmp_path: Path) -> None:
    with _small(tmp_path) as mongod, MongoClient[dict[str, Any]](mongod.uri) as client:
        client["x"]["y"].insert_one({"_id": 1})
        pid = mongod.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert _eventually(lambda: mongod.pid not in (pid, None))
        assert client["x"]["y"].find_one() == {"_id": 1}


def test_a_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    with _small(tmp_path), pytest.raises(EmbeddedUnavailable, match=rf"process {os.getpid()}\) uses the data in"):
        _small(tmp_path).start()
    with _small(tmp_path):
        pass


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedUnavailable, match=f"Port {port} is already in use"):
            _small(tmp_path, port=port).start()


def test_no_mongod_is_left_behind_when_the_server_is_killed_and_the_next_server_takes_over(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from fhir_server.store.embedded import EmbeddedMongo\n"
        "mongod = EmbeddedMongo(Path(sys.argv[1]), cache_gb=0.25, oplog_mb=64); mongod.start()\n"
        "print(mongod.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        pid = int(server.stdout.readline())
        assert _runs(pid)
        server.kill()
    with _small(tmp_path) as mongod:  # at once, while the other is still stopping
        assert mongod.pid != pid
        assert _eventually(lambda: not _runs(pid))


def _program(folder: Path, text: str) -> Path:
    path = folder / "mongod"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open' >&2; exit 127",
            "libcurl.so.4",
        ),
        ("kill -ILL $$", "without AVX"),
        (None, "no mongod on PATH"),
    ],
    ids=["a library is missing", "an old processor", "nothing installed"],
)
def test_says_why_mongod_cannot_run_here_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, reason: str
) -> None:
    monkeypatch.setattr(mongod, "_WHEEL", "no-such-distribution")
    monkeypatch.setenv("PATH", str(tmp_path))
    if text is not None:
        _program(tmp_path, text.replace("kill", "/bin/kill") if "ILL" in text else text)
    with pytest.raises(EmbeddedUnavailable) as caught:
        _small(tmp_path / "data").start()
    assert reason in str(caught.value)
    for remedy in ("[embedded]", "on PATH", "--mongodb-uri", "docker compose up"):
        assert remedy in str(caught.value)


def test_falls_back_to_the_mongod_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongod, "_INSIDE", "no/such/file")
    monkeypatch.setenv("PATH", str(tmp_path))
    on_path = _program(tmp_path, "exit 0")
    assert mongod.find_mongod() == on_path


def test_a_mongod_that_ends_at_once_is_reported_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongod, "_WHEEL", "no-such-distribution")
    monkeypatch.setenv("PATH", str(tmp_path))
    _program(tmp_path, 'test "$1" = --version || { echo broken; exit 3; }')
    with pytest.raises(EmbeddedUnavailable, match=r"status 3 .*broken"):
        _small(tmp_path / "data").start()
