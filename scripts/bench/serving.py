"""A server on a mongod of its own, each a process, and a load generator beside them."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fhir_server import wire
from fhir_server.store.embedded import EmbeddedMongo

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "0"))  # 0: as each part thinks right
SEED = 2026
BASE_URL = "http://imm.example.vn/fhir"  # where it is part of what is indexed: the same in every process
TODAY = datetime(2026, 11, 1, tzinfo=UTC).date()
CLIENT = Path(__file__).parent / "client.py"
Json = dict[str, Any]


class Driven(NamedTuple):
    """What the load generator saw."""

    rate: float  # answers a second
    p50: float  # ms
    p99: float  # ms


@dataclass(frozen=True)
class Served:
    """A server that answers at `port`, its process and its MongoDB."""

    port: int
    uri: str
    process: subprocess.Popen[bytes]
    start: float  # seconds from the start of the process until it was ready
    work: float  # seconds of processor time until then

    def request(self, method: str, path: str, body: Json | None = None) -> str:
        """Return one HTTP request as text."""
        content = wire.dumps(body).decode() if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        if content:
            head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(content.encode())}\r\n"
        return f"{head}\r\n{content}"

    def get(self, path: str) -> Json:
        """Return the resource at `path`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/fhir/{path}", timeout=120) as answer:
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.code} {error.read().decode()[:2000]}") from None

    def drive(self, requests: list[str], clients: int, *, seconds: float = SECONDS, once: bool = False) -> Driven:
        """Send `requests` from so many clients, in turn until the time is up or (`once`) each once."""
        job = {"host": "127.0.0.1", "port": self.port, "requests": requests, "clients": clients}
        ran = subprocess.run(
            [sys.executable, CLIENT],
            input=json.dumps({**job, "seconds": 3600 if once else seconds, "once": once}),
            capture_output=True,
            text=True,
            check=True,
        )
        result: Json = json.loads(ran.stdout)
        wrong = {status: count for status, count in result["statuses"].items() if not status.startswith("2")}
        if wrong:
            raise SystemExit(f"unexpected answers: {wrong} to {requests[0][:200]}")
        return Driven(result["rate"], result["p50"], result["p99"])

    def resident(self) -> float:
        """Return the resident memory of the server's process in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def mongod() -> Iterator[str]:
    """Yield the URI of a mongod with 1 GB of cache on an empty folder."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedMongo(Path(folder) / "mongodb", cache_gb=1) as mongo:
        yield mongo.uri


@contextmanager
def serving(uri: str, **settings: str) -> Iterator[Served]:
    """Yield a server on the MongoDB at `uri`; settings by the names of their environment variables."""
    port = _free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fhir_server.cli", "serve", "--port", str(port), "--mongodb-uri", uri],
        env={**_COMPILING, "FHIR_LOG_LEVEL": "error", **settings},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield Served(port, uri, process, time.perf_counter() - started, _processor_time(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


# Servers keep the bytecode of what they import, as on every machine where nobody forbids it.
_COMPILING = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _processor_time(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(line: str = "") -> None:
    """Print a line of a table at once: the measuring takes long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def rate(work: Callable[[], object], seconds: float = 2, *, each: int = 50) -> float:
    """Return how often `work` is done in a second of one core's time; it is called `each` times between two looks."""
    work()
    started, count = time.process_time(), 0
    while time.process_time() - started < seconds:
        for _ in range(each):
            work()
        count += each
    return count / (time.process_time() - started)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.01)
    raise SystemExit("the server does not become ready")
