"""A load generator that costs little: prepared HTTP/1.1 requests over kept-open connections, in a process of its own.

Reads a job as JSON from standard input, writes the result as JSON to standard output. A general HTTP client would
spend more time on each request than the server does, on the same two cores.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import uvloop


class Connection(asyncio.Protocol):
    """One client: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: Iterator[bytes], statuses: dict[str, int], latencies: list[float], deadline: float):
        self._requests = requests
        self._statuses = statuses
        self._latencies = latencies
        self._deadline = deadline
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._deadline else None
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.lower().find(b"content-length:")
        length = int(head[start + 15 :].partition(b"\r\n")[0]) if start >= 0 else 0
        if len(body) < length:
            return
        self._latencies.append(time.perf_counter() - self._sent)
        status = head[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def drive(job: dict[str, Any]) -> dict[str, Any]:
    """Send the job's requests, in turn, from its clients for its seconds; return counts and latencies in ms."""
    statuses: dict[str, int] = {}
    latencies: list[float] = []
    prepared = [text.encode() for text in job["requests"]]
    # What must be sent once only (creates of given ids) ends when the list does.
    requests = iter(prepared) if job["once"] else _cycle(prepared)
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(job["clients"]):
        _, connection = await loop.create_connection(
            lambda: Connection(requests, statuses, latencies, started + job["seconds"]), job["host"], job["port"]
        )
        connections.append(connection.done)
    await asyncio.gather(*connections)
    elapsed = time.perf_counter() - started
    latencies.sort()
    return {
        "rate": len(latencies) / elapsed,
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[int(len(latencies) * 0.99)] * 1000,
        "statuses": statuses,
    }


def _cycle(requests: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(drive(json.load(sys.stdin)))))
