"""The gate for large bodies: so many bytes of them are worked on at once, some wait, the rest is sent away.

docs/decisions/0023-gate.md — https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4

A large transaction costs memory several times its size, the processor for a second, and room in the database's cache
until it is committed. Small requests never wait here.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fhir_server.outcome import Unavailable

KIB = 1024
LARGE = 256 * KIB  # bytes from which a body is large
WAITING = 4  # times what is worked on may wait
PATIENCE = 10.0  # seconds that a request waits
AGAIN = 5  # seconds after which a request that was sent away may come back


class Gate:
    """Lets large bodies of `room` bytes together pass at the same time, in the order they came; one always may."""

    def __init__(self, room: int, *, large: int = LARGE, patience: float = PATIENCE):
        self._room = room
        self._large = large
        self._patience = patience
        self._inside = 0  # bytes that are worked on
        self._outside = 0  # bytes that wait
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def passing(self, size: int) -> AsyncIterator[None]:
        """Enter when a body of `size` bytes may be worked on; raise Unavailable when that would take too long."""
        if size < self._large:
            yield
            return
        await self._enter(size)
        try:
            yield
        finally:
            self._inside -= size
            self._admit()

    async def _enter(self, size: int) -> None:
        if not self._queue and self._fits(size):
            self._inside += size
            return
        if self._outside + size > self._room * WAITING:
            raise _busy()
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, admitted))
        self._outside += size
        try:
            async with asyncio.timeout(self._patience):
                await admitted
        except TimeoutError:
            self._leave(size, admitted)
            raise _busy() from None
        except asyncio.CancelledError:
            self._leave(size, admitted)
            raise

    def _leave(self, size: int, admitted: asyncio.Future[None]) -> None:
        """Forget one that waits no longer; when it was admitted at that very moment, its room is free again."""
        if not admitted.cancelled():
            self._inside -= size
        elif (waiting := (size, admitted)) in self._queue:
            self._queue.remove(waiting)
            self._outside -= size
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._fits(self._queue[0][0]):
            size, admitted = self._queue.popleft()
            self._outside -= size
            if not admitted.cancelled():  # its client went away, or its time is up
                self._inside += size
                admitted.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._inside == 0 or self._inside + size <= self._room


def _busy() -> Unavailable:
    error = Unavailable(
        f"Too many large requests at once; nothing was stored: send it again in {AGAIN} seconds, or in smaller parts",
        f"Quá nhiều yêu cầu lớn cùng lúc; chưa có gì được lưu: hãy gửi lại sau {AGAIN} giây, hoặc chia nhỏ",
    )
    error.retry_after = AGAIN
    return error
