"""Questions to the database that wait at the same moment become one query.

A query costs the driver and the database far more than a document in it does, so a busy server gets several
times the throughput by asking for many things at once. An idle one asks at once: nothing waits for company.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

IN_FLIGHT = 2  # queries: one on its way to the database while the answer to another is decoded


class Gatherer(Generic[Question, Answer]):
    """The questions of one kind: those that wait, and the queries under way.

    `answer` is given up to `most` questions and returns their answers in the same order.
    """

    def __init__(self, answer: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], most: int):
        self._answer = answer
        self._most = most
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._queries: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Return what is to be awaited: the answer to `question`, or what its query raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        self._schedule(loop)
        return future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled and self._waiting and len(self._queries) < IN_FLIGHT:
            self._scheduled = True
            loop.call_soon(self._start)  # whoever else asks in this turn of the loop comes along

    def _start(self) -> None:
        self._scheduled = False
        # A question never joins a query that is under way: it could miss what was written since that began.
        group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        query = asyncio.create_task(self._query(group))
        self._queries.add(query)
        query.add_done_callback(self._ended)

    def _ended(self, query: asyncio.Task[None]) -> None:
        self._queries.discard(query)
        self._schedule(query.get_loop())

    async def _query(self, group: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._answer([question for question, _ in group])
        except Exception as error:
            for _, future in group:
                if not future.done():  # its asker went away
                    future.set_exception(error)
            return
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)
