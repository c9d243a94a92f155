"""Rows of large code systems: derived from the versions stored, as soon as these are whole, beside the requests.

https://hl7.org/fhir/R4/codesystem.html

Every process sees when a code system is stored. The one that claims it reads its parts one after the other, twice: once
for the hierarchy, once for the rows; so that no process holds all of its concepts.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from fhir_server.interactions import canonicals
from fhir_server.interactions.canonicals import Candidate
from fhir_server.outcome import FhirError
from fhir_server.server import Context
from fhir_server.store.concepts import Built
from terminology import concepts, systems
from terminology.concepts import Concept, Hierarchy
from terminology.systems import Head

Json = dict[str, Any]
Parts = Sequence[Candidate]

TOGETHER: Final = 1_000  # rows stored in one go
UNDER_WAY: Final = 3  # such goes at the same moment
PART: Final = canonicals.LARGE // 8  # bytes; smaller parts of a large code system are looked at with their larger ones
LOOK: Final = 1.0  # seconds between looks whether definitions were stored
AGAIN: Final = 15.0  # seconds until a look for what another process may have left undone

log = logging.getLogger("fhir_server.terminology")


def together(best: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the parts of the code system that `best` is or is a part of: fragments of one version belong together."""
    if best.resource.get("content") != "fragment":
        return [best]
    parts = [each for each in candidates if _fellows(best, each)]
    return sorted(parts, key=lambda each: (each.id is None, each.id or "", each.key))


def _fellows(one: Candidate, other: Candidate) -> bool:
    return (
        other.resource.get("content") == "fragment"
        and (other.id is None) == (one.id is None)
        and other.version == one.version
    )


def named(parts: Parts) -> str:
    """Return the key of the rows: it names the content, and is short, for every row and entry of an index has it."""
    return blake2b(" ".join(part.key for part in parts).encode(), digest_size=8).hexdigest()


async def claimed(ctx: Context, key: str, parts: Parts) -> bool:
    """Return whether the caller is to derive the rows: nobody did, and nobody is at it."""
    return await ctx.server.store.concepts.claim(key, _of(parts), [part.key for part in parts])


def _of(parts: Parts) -> str:
    """Return what names the resource whose versions supersede each other."""
    return parts[0].key if parts[0].id is None else f"CodeSystem/{parts[0].id}"


@dataclass(slots=True)
class _Tally:
    """What is there so far."""

    number: int = 0
    timed: bool = False
    inactive: bool = False
    abstract: bool = False

    def add(self, concept: Concept) -> None:
        self.number += 1
        self.timed |= concept.since.year > 1 or concept.until.year < 9999
        self.inactive |= concept.inactive
        self.abstract |= concept.abstract


async def derive(ctx: Context, key: str, parts: Parts) -> None:
    """Derive the rows of what was claimed; whoever asked need not wait until they are complete."""
    store, tally, hierarchy = ctx.server.store.concepts, _Tally(), Hierarchy()
    ids: set[str] = set()
    for part in parts:
        await asyncio.to_thread(hierarchy.add, await canonicals.whole(ctx, part) or {})
    head = systems.head([part.resource for part in parts])
    room = asyncio.Semaphore(UNDER_WAY)

    async def stored(some: list[tuple[str, Concept]]) -> None:
        try:
            await store.add(key, [id for id, _ in some], [concept for _, concept in some])
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        for part in parts:
            made = _new(hierarchy.concepts(await canonicals.whole(ctx, part) or {}), head, tally, ids)
            while some := await asyncio.to_thread(lambda: list(islice(made, TOGETHER))):  # noqa: B023 — at once
                await room.acquire()
                group.create_task(stored(some))
    await store.finish(key, _of(parts), Built(True, tally.number, tally.timed, tally.inactive, tally.abstract))


def _new(made: Iterator[Concept], head: Head, tally: _Tally, ids: set[str]) -> Iterator[tuple[str, Concept]]:
    """Yield the concepts with their ids, of equal ids the first; `ids` are those of which others may be equal."""
    for concept in made:
        id = head.key(concept.code)
        if id not in ids:
            if not head.case_sensitive:  # else all codes differ
                ids.add(id)
            tally.add(concept)
            yield id, concept


async def follow(context: Callable[[], Context]) -> None:
    """Derive the rows of whatever large code system is stored, by whichever process, until cancelled."""
    seen, looked = -1, 0.0
    small: set[str] = set()  # versions that stay in memory
    clock = asyncio.get_running_loop().time
    undone = False
    while True:
        generation = context().server.live.current.generation
        if generation != seen or (undone and clock() - looked > AGAIN):
            try:
                undone = await _derive_all(context(), small)
            except Exception as error:
                undone = True
                if not isinstance(error, FhirError):  # the database is away: that is told elsewhere
                    log.exception("concepts of stored code systems are not indexed yet")
            seen, looked = generation, clock()
        await asyncio.sleep(LOOK)


async def _derive_all(ctx: Context, small: set[str]) -> bool:
    """Derive what nobody did; return whether something remains that another process is at, or that failed."""
    undone = False
    for url, version in await _new_systems(ctx, small):
        candidates = await canonicals.named(ctx, "CodeSystem", url)
        best = canonicals.chosen(candidates, version)
        parts = [] if best is None else together(best, candidates)
        if not parts or not _whole(parts):
            continue
        if sum(part.size for part in parts) <= canonicals.LARGE:
            small.update(part.key for part in parts)
            continue
        key = named(parts)
        if await claimed(ctx, key, parts):
            log.info("%s: the concepts are indexed", url)
            await derive(ctx, key, parts)
            log.info("%s: the concepts are in force", url)
        else:
            built = await ctx.server.store.concepts.built(key)
            undone |= built is None or not built.done
    return undone


async def _new_systems(ctx: Context, small: set[str]) -> list[tuple[str, str | None]]:
    """Return URL and version of the code systems stored that may be large and of which not all has its rows."""
    store = ctx.server.store
    done = await store.concepts.finished() | small
    heads = await store.packages.large("CodeSystem", PART)
    found = [
        await canonicals.of_id(ctx, "CodeSystem", id, version)
        for id, version in heads
        if f"CodeSystem/{id}/{version}" not in done
    ]
    known = [(str(each.resource.get("url", "")), each.version) for each in found if each is not None]
    return [pair for pair in dict.fromkeys(known) if pair[0]]


def _whole(parts: Parts) -> bool:
    """Return whether all concepts are there: before that nobody is likely to ask, and each part would begin anew."""
    first = parts[0].resource
    if first.get("content") != "fragment":
        return True
    return "count" in first and sum(map(_number, parts)) >= int(first["count"])


def _number(part: Candidate) -> int:
    return part.number if part.large else concepts.number(part.resource)
