"""Writing single resources: writes that wait at the same moment become one bulk write, each answered on its own.

https://hl7.org/fhir/R4/http.html#create, #update, #delete and #concurrency

A single write needs no multi-document transaction. An update first copies the superseded version to the
history, which may be repeated, and then replaces the current document on condition that it still is the
superseded version. What a crash in between leaves is a copy of the current version in the history, which
readers ignore. A write is acknowledged when a majority of the replica set has it in its journal.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from fhir_server.outcome import FhirError, Unavailable
from fhir_server.store.documents import Put, current_document, history_document
from fhir_server.store.failures import answer, answering, busy, contended, inserting, unreachable
from fhir_server.store.layout import Document, Layout
from fhir_server.store.refusals import Answer, Doubt, Released, doubt, explain

_ATTEMPTS = 3


@dataclass(slots=True, eq=False)
class _Waiting:
    put: Put
    answered: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    """The writes of one type that wait: creates and updates apart, for updates take two round trips."""

    queue: deque[_Waiting] = field(default_factory=deque)
    runner: asyncio.Task[None] | None = None


class Writes:
    """Single writes of one database: at most `waiting` of them wait, up to `group` go together."""

    def __init__(self, layout: Layout, *, waiting: int, group: int):
        self._layout = layout
        self._most = waiting
        self._group = group
        self._count = 0
        self._lanes: dict[tuple[str, bool], _Lane] = {}

    async def write(self, put: Put) -> None:
        """Store `put`; raise VersionConflict, ClaimTaken, TooLarge or Unavailable."""
        if self._count >= self._most:
            raise busy()
        self._count += 1
        try:
            await self._layout.ensure(put.new.type)
            await self._join(put)
        finally:
            self._count -= 1

    async def close(self) -> None:
        """Wait until the writes under way are answered."""
        await asyncio.gather(*(lane.runner for lane in self._lanes.values() if lane.runner))

    def _join(self, put: Put) -> asyncio.Future[None]:
        key = (put.new.type, put.superseded is None)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        lane.queue.append(_Waiting(put, answered))
        if lane.runner is None:
            lane.runner = loop.create_task(self._run(put.new.type, lane))
        return answered

    async def _run(self, type: str, lane: _Lane) -> None:
        while lane.queue:
            group = _take(lane.queue, self._group)
            try:
                answers = await self._store(type, [member.put for member in group])
            except Exception as error:
                # Who still waits would only wait for the same failure again: better to hear of it now.
                group += lane.queue
                lane.queue.clear()
                answers = [answer(error)] * len(group)
            for member, given in zip(group, answers, strict=True):
                _tell(member, given)
        lane.runner = None

    async def _store(self, type: str, puts: Sequence[Put]) -> list[Answer]:
        """Write `puts`, of which all or none are creates, and return the answer to each."""
        answers: list[Answer] = [Released()] * len(puts)
        for _ in range(_ATTEMPTS):
            places = [place for place, given in enumerate(answers) if isinstance(given, Released)]
            if not places:
                break
            tried = [puts[place] for place in places]
            for place, given in zip(places, await self._attempt(type, tried), strict=True):
                answers[place] = given
        return [contended() if isinstance(given, Released) else given for given in answers]

    async def _attempt(self, type: str, puts: Sequence[Put]) -> list[Answer]:
        if not puts:
            return []
        try:
            findings = await (self._create if puts[0].superseded is None else self._update)(type, puts)
        except Unavailable:
            raise
        except FhirError as error:
            # One of them is too large, or cannot be written as BSON: the others must not suffer for it.
            if len(puts) == 1:
                return [error]
            return [(await self._attempt(type, [put]))[0] for put in puts]
        doubts = {place: finding for place, finding in findings.items() if isinstance(finding, Doubt)}
        explained = dict(zip(doubts, await explain(self._layout, type, list(doubts.values())), strict=True))
        return [_final(findings.get(place), explained.get(place)) for place in range(len(puts))]

    async def _create(self, type: str, puts: Sequence[Put]) -> dict[int, Doubt | Exception]:
        documents = [current_document(put) for put in puts]
        try:
            with answering(BulkWriteError):
                await self._layout.current(type).insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return _findings(puts, error)
        return {}

    async def _update(self, type: str, puts: Sequence[Put]) -> dict[int, Doubt | Exception]:
        await self._remember(type, [history_document(put.superseded) for put in puts if put.superseded])
        findings: dict[int, Doubt | Exception] = {}
        try:
            with answering(BulkWriteError):
                result = await self._layout.current(type).bulk_write([replacement(put) for put in puts], ordered=False)
            matched = result.matched_count
        except BulkWriteError as error:
            findings = _findings(puts, error)
            matched = (error.details or {}).get("nMatched", 0)
        if matched + len(findings) < len(puts):
            for place, put in enumerate(puts):
                findings.setdefault(place, Doubt(put))
        return findings

    async def _remember(self, type: str, documents: Sequence[Document]) -> None:
        """Copy versions to the history; those that are there already stay as they are."""
        with inserting():
            await self._layout.history(type).insert_many(documents, ordered=False)


def replacement(put: Put) -> ReplaceOne[Document]:
    """Return the operation that replaces the superseded version, and nothing else, by the new one."""
    old = put.superseded
    if old is None:
        raise ValueError(f"{put.new.type}/{put.new.id} supersedes nothing")
    return ReplaceOne({"_id": old.id, "v": old.version, "s": old.sequence}, current_document(put))


def _take(queue: deque[_Waiting], most: int) -> list[_Waiting]:
    """Take a group from the head of `queue`: no id twice, so that each member's fate can be told apart."""
    group: dict[str, _Waiting] = {}
    while queue and len(group) < most and queue[0].put.new.id not in group:
        member = queue.popleft()
        if not member.answered.done():  # else its writer went away before it was written
            group[member.put.new.id] = member
    return list(group.values())


def _tell(member: _Waiting, given: Answer) -> None:
    if member.answered.done():  # its writer went away
        return
    if given is None:
        member.answered.set_result(None)
    else:
        member.answered.set_exception(given)


def _findings(puts: Sequence[Put], error: BulkWriteError) -> dict[int, Doubt | Exception]:
    details: dict[str, Any] = error.details or {}  # type: ignore[assignment]
    findings: dict[int, Doubt | Exception] = {}
    if details.get("writeConcernErrors"):
        findings = dict.fromkeys(range(len(puts)), unreachable())
    return findings | {failed["index"]: doubt(puts[failed["index"]], failed) for failed in details["writeErrors"]}


def _final(finding: Doubt | Exception | None, explained: Answer) -> Answer:
    return explained if isinstance(finding, Doubt) else finding
