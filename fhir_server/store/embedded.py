"""A MongoDB of one's own: a mongod that starts with the server, keeps its data in a folder, and stops with it.

https://www.mongodb.com/docs/manual/reference/program/mongod/

For trying the server and for its tests. It is a replica set of one member, so nothing that the server relies
on is missing, except a second machine. By default it listens on a socket in the folder, which only the owner
of the folder can open; with a port given it listens on 127.0.0.1, which everybody on this machine can.
"""

import contextlib
import fcntl
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from fhir_server.store.mongod import EmbeddedUnavailable, find_mongod

_LOG = logging.getLogger(__name__)
_DEFAULT_PORT = 27017
_LONGEST_SOCKET_PATH = 107
_ALREADY_INITIATED = 23
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_HANDOVER_SECONDS = 20.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_HEALTHY_SECONDS = 60.0

# Runs before mongod in the same process: asks Linux to end mongod (cleanly) as soon as the server is gone.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() != int(sys.argv[1]): sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class _DataInUse(EmbeddedUnavailable):
    """Another mongod has the data open."""


class EmbeddedMongo:
    """A supervised mongod with its data in `folder`: when it dies it is started again."""

    def __init__(self, folder: Path, *, port: int | None = None, cache_gb: float = 0.5, oplog_mb: int = 1024):
        self.folder = folder.resolve()
        self._port = port
        self._cache_gb = max(cache_gb, 0.25)  # the least that mongod accepts
        self._oplog_mb = oplog_mb
        self._mongod = Path()
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()
        self._settled = threading.Event()  # the first start has succeeded or failed
        self._failure: Exception | None = None
        self._socket_folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def uri(self) -> str:
        """The address for clients."""
        host = self._host if self._port is not None else quote(self._host, safe="")
        return f"mongodb://{host}/?directConnection=true"

    @property
    def pid(self) -> int | None:
        """The process id of the mongod that runs now; None between two."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> str:
        """Start mongod, wait until it takes writes, return its address; raise EmbeddedUnavailable."""
        self._mongod = find_mongod()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        self._lock = _lock(self.folder)
        # A thread of its own starts every mongod, for Linux ends the child with the *thread* that started it.
        self._supervisor = threading.Thread(target=self._supervise, name="mongod", daemon=True)
        self._supervisor.start()
        self._settled.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure
        return self.uri

    def stop(self) -> None:
        """Stop mongod cleanly; do nothing when it does not run."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        if self._supervisor is not None:
            self._supervisor.join(_STOP_SECONDS)
            if self._supervisor.is_alive() and self._process is not None:
                self._process.kill()
                self._supervisor.join()
            self._supervisor = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._socket_folder is not None:
            self._socket_folder.cleanup()
            self._socket_folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _host(self) -> str:
        """The address under which the replica set knows its member: a path of a socket, or host and port."""
        if self._port is not None:
            return f"127.0.0.1:{self._port}"
        return str(self._sockets / f"mongodb-{_DEFAULT_PORT}.sock")

    @property
    def _sockets(self) -> Path:
        if len(str(self.folder)) + len(f"/mongodb-{_DEFAULT_PORT}.sock") <= _LONGEST_SOCKET_PATH:
            return self.folder
        if self._socket_folder is None:
            self._socket_folder = tempfile.TemporaryDirectory(prefix="mongod-")
        return Path(self._socket_folder.name)

    def _supervise(self) -> None:
        first = time.monotonic()
        pause = _SHORTEST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                process = self._process = self._spawn()
                self._await_primary(process)
                self._settled.set()
                process.wait()
                if not self._stopping.is_set():
                    _LOG.warning("mongod ended with status %s: starting it again", process.returncode)
            except Exception as error:
                self._end_process()
                # After a server was killed its mongod takes a moment to stop: worth waiting for.
                patient = isinstance(error, _DataInUse) and time.monotonic() - first < _HANDOVER_SECONDS
                if not self._settled.is_set() and not patient:
                    self._failure = error
                    break
                _LOG.warning("mongod did not start (%s): trying again", error)
            pause = _SHORTEST_PAUSE if time.monotonic() - began > _HEALTHY_SECONDS else min(2 * pause, _LONGEST_PAUSE)
            self._stopping.wait(pause)
        self._settled.set()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        log = self.folder / "mongod.log"
        if log.exists():
            log.replace(self.folder / "mongod.log.1")
        port = _DEFAULT_PORT if self._port is None else self._port
        command = [
            str(self._mongod),
            *("--dbpath", str(self.folder / "data")),
            *("--logpath", str(log)),
            *("--replSet", "rs0"),
            *("--port", str(port)),
            *("--bind_ip", self._host if self._port is None else "127.0.0.1"),
            *("--unixSocketPrefix", str(self._sockets)),
            *("--wiredTigerCacheSizeGB", f"{self._cache_gb:g}"),
            *("--oplogSize", str(self._oplog_mb)),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        with (self.folder / "mongod.out").open("wb") as out:
            # In a session of its own, so that Ctrl-C reaches the server first, which then stops mongod.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _await_primary(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts(self._host if self._port is None else self._port):
            self._check(process, deadline)
        options: dict[str, Any] = {"serverSelectionTimeoutMS": 1000, "socketTimeoutMS": 10_000}
        with MongoClient[dict[str, Any]](self.uri, **options) as client:
            while True:
                with contextlib.suppress(PyMongoError):
                    hello = client.admin.command("hello")
                    # Another mongod may be listening here, in its last moments or by mistake: hands off.
                    if client.admin.command("serverStatus", repl=0, metrics=0, wiredTiger=0)["pid"] == process.pid:
                        if hello.get("isWritablePrimary"):
                            return
                        if "setName" not in hello:
                            _initiate(client, self._host)
                self._check(process, deadline)

    def _check(self, process: "subprocess.Popen[bytes]", deadline: float) -> None:
        """Wait a moment for `process` to become ready; raise EmbeddedUnavailable when it never will."""
        time.sleep(0.01)
        log = self.folder / "mongod.log"
        if process.poll() is None:
            if self._stopping.is_set() or time.monotonic() > deadline:
                raise EmbeddedUnavailable(f"mongod does not become ready; its log is {log}")
            return
        said = (self.folder / "mongod.out").read_text(errors="replace").strip()[-500:]
        logged = log.read_text(errors="replace") if log.exists() else ""
        if "DBPathInUse" in logged:
            raise _DataInUse(f"Another mongod uses the data in {self.folder}: stop it, or name another folder")
        if "SocketException" in logged and "Address already in use" in logged:
            raise EmbeddedUnavailable(
                f"Port {self._port} is already in use: stop the other program, or name another port"
            )
        status = process.returncode
        raise EmbeddedUnavailable(
            f"mongod ended with status {status} while it started; its log is {log}. {said}".rstrip()
        )

    def _end_process(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _lock(folder: Path) -> IO[str]:
    """Return the lock on `folder`, held until it is closed; raise EmbeddedUnavailable when another server has it."""
    lock = (folder / "server.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise EmbeddedUnavailable(
            f"Another server (process {owner or 'unknown'}) uses the data in {folder}: stop it, or name another folder"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _accepts(address: str | int) -> bool:
    """Tell whether somebody listens at `address`: the path of a socket, or a port of this machine."""
    family, target = (socket.AF_UNIX, address) if isinstance(address, str) else (socket.AF_INET, ("127.0.0.1", address))
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(target) == 0


def _initiate(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Make the mongod a replica set of one; when it was one at another address, tell it the new one."""
    member = {"_id": 0, "host": host}
    try:
        client.admin.command({"replSetInitiate": {"_id": "rs0", "members": [member]}})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIATED:
            raise
        config = client.admin.command("replSetGetConfig")["config"]
        config |= {"members": [member], "version": config["version"] + 1}
        client.admin.command({"replSetReconfig": config, "force": True})
