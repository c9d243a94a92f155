"""The background job that makes the index of a type true to its rules: exactly one process at a time, resumable.

https://hl7.org/fhir/R4/searchparameter.html

It begins when every living process writes by the new rules, so that a version written meanwhile is right already; it
gives a version new entries only while that version is the current one. So nothing that is written at the same time is
overwritten, and nothing is forgotten.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhir_server import wire
from fhir_server.knowledge.live import Live
from fhir_server.search.index import Indexer
from fhir_server.store import Entry, Job, State

Json = dict[str, Any]

PAGE = 200  # resources between two notes of how far it is
SLICE = 8  # resources indexed before requests get their turn
WAIT = 0.2  # seconds between looks at whether the other processes are ready
NAMED = 20  # ids of resources that could not be indexed

log = logging.getLogger("fhir_server.reindex")


async def work(live: Live) -> bool:
    """Build the index of every type that needs it and that no other process works at; return whether one was."""
    owner = str(live.store.node)
    worked = False
    for type, state in (await live.store.indexing.states(open=True)).items():
        wanted = live.current.rules.get(type)
        # Other rules than ours: of a process with other settings, or newer than what we know. It is not our work.
        if state.wanted != wanted or not await live.store.indexing.lease(type, owner):
            continue
        try:
            worked |= await _build(live, type, state, owner)
        finally:
            await live.store.indexing.release(type, owner)
    return worked


async def _build(live: Live, type: str, state: State, owner: str) -> bool:
    """Go through the resources of `type`; return whether the end was reached."""
    if not await _everybody_writes_so(live, type, state, owner):
        return False
    job = await live.store.indexing.start(type, owner)
    knowledge = live.current
    if job is None or knowledge.rules.get(type) != state.wanted:
        return False
    log.info("%s: the index is made anew, from resource %d of about %d", type, job.done, job.total)
    loop = asyncio.get_running_loop()
    while page := await live.store.indexing.page(type, job.after, PAGE):
        begun = loop.time()
        failed = await _rewrite(live, knowledge.indexer, type, page)
        named = (*job.failed, *failed)[:NAMED]
        job = replace(job, after=page[-1].id, done=job.done + len(page), failed=named)
        if not await live.store.indexing.advance(type, owner, job):
            return False  # somebody else has it, or other rules are wanted
        await asyncio.sleep(loop.time() - begun)  # as long as it worked: requests have the other half
    await _end(live, type, state, owner, job)
    return True


async def _everybody_writes_so(live: Live, type: str, state: State, owner: str) -> bool:
    """Wait until all living processes write by the rules; return False when the work is no longer ours."""
    while await live.store.processes.behind(state.generation, live.environment):
        await asyncio.sleep(WAIT)
        if not await live.store.indexing.lease(type, owner):
            return False
        if live.current.rules.get(type) != state.wanted:
            return False
    return True


async def _rewrite(live: Live, indexer: Indexer, type: str, page: Sequence[Entry]) -> list[str]:
    """Give the versions on `page` the entries that they should have; return the ids of those that have none."""
    changes, failed = [], []
    for number, entry in enumerate(page):
        if number % SLICE == 0:
            await asyncio.sleep(0)
        try:
            index = indexer.index(wire.loads(entry.raw))
        except Exception as error:  # whatever is wrong with one resource, the others are to be found
            log.error("a %s cannot be indexed: %r", type, error)
            failed.append(entry.id)
            continue
        if index.entries != entry.entries or index.patient != entry.patient:
            changes.append(replace(entry, entries=index.entries, patient=index.patient))
    await live.store.indexing.rewrite(type, changes)
    return failed


async def _end(live: Live, type: str, state: State, owner: str, job: Job) -> None:
    if job.failed:
        await live.store.indexing.fail(type, owner)
        log.error("%s: %d resources or more could not be indexed; see GET [base]/$reindex", type, len(job.failed))
    elif await live.store.indexing.finish(type, owner, state.wanted):
        log.info("%s: the index is built, %d resources", type, job.done)
