"""Knowledge while the server runs: taken up anew when definitions are stored, here or by another process.

https://hl7.org/fhir/R4/conformance-module.html

Every commit that writes a definition counts up a generation (`store.processes`). A process that sees a new one reads
the definitions stored, records which rules of indexing follow from them, and only then works by them. Parameters that
are not built for every stored resource cannot be searched by (`reindex` builds them).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b

import orjson

from fhir_server.background import Background
from fhir_server.knowledge.built import Knowledge, Sources, knowledge_of
from fhir_server.knowledge.stored import StoredDefinitions
from fhir_server.outcome import FhirError
from fhir_server.search.parameters import Building
from fhir_server.search.rules import FORMATS
from fhir_server.store import State, Store

TICK = 0.4  # seconds between looks at what others have stored
TELL = 2.0  # seconds after which a process repeats that it is there

log = logging.getLogger("fhir_server.knowledge")


class Live:
    """The knowledge of one process; `current` is what new requests work with."""

    def __init__(self, store: Store, sources: Sources):
        self.store = store
        self.sources = sources
        self._stored = StoredDefinitions(store, sources.packages)
        self._complete: Knowledge | None = None  # as if everything were built
        self._current: Knowledge | None = None
        self._unbuilt: dict[str, dict[str, Building]] = {}
        self._in_use: Counter[int] = Counter()  # requests under way, by the generation that they work with
        self._lock = asyncio.Lock()
        self._told: tuple[int, float] = (0, 0.0)
        self._background = Background()
        self._news = asyncio.Event()  # something to do before the next look

    @property
    def current(self) -> Knowledge:
        """What new requests work with."""
        assert self._current is not None, "open() comes first"
        return self._current

    @property
    def environment(self) -> str:
        """What entries depend on besides what is stored: processes wait for those that differ in it."""
        shipped = [[each["url"], each.get("expression", "")] for each in self.current.shipped.parameters]
        facts = [self.sources.configured_url, self.sources.zone.key, FORMATS, shipped]
        return blake2b(orjson.dumps(facts), digest_size=8).hexdigest()

    async def open(self) -> None:
        """Take up what is stored; raise Unavailable."""
        await self.store.processes.prepare()
        await self.store.processes.arrive()
        await self.refresh()

    def run(self, work: Callable[["Live"], Awaitable[bool]]) -> None:
        """Follow what others store until `close`, and do `work` now and then: it says whether it changed something."""
        self._background.begin(self._run(work))

    async def close(self) -> None:
        """Stop, and tell the others."""
        await self._background.close()
        try:
            await self.store.processes.leave()
        except FhirError:
            log.info("the database is away: the others find out by themselves that this process has ended")

    @contextmanager
    def using(self) -> Iterator[Knowledge]:
        """Yield what is known now, for one request: others hear of newer knowledge when it is done."""
        knowledge = self.current
        generation = knowledge.generation
        self._in_use[generation] += 1
        try:
            yield knowledge
        finally:
            self._in_use[generation] -= 1
            if not self._in_use[generation]:
                del self._in_use[generation]
                if generation != self.current.generation:
                    self._news.set()

    async def caught_up(self) -> None:
        """Return when the definitions that this process has committed are in force; at once when there are none.

        They are stored in any case: what fails now is tried again soon.
        """
        if self.store.processes.heard > self.current.generation:
            try:
                await self.refresh()
            except Exception:
                log.exception("definitions are stored but not in force yet")

    async def refresh(self) -> None:
        """Take up what is stored, if it is new and whole."""
        async with self._lock:
            now = await self.store.processes.current()
            if self._complete is not None and (now.changing or now.number <= self._complete.generation):
                return
            only_parameters = not await self._stored.read()
            knowledge = await asyncio.to_thread(self._made, now.number, only_parameters)
            states = await self._record(knowledge)
            self._complete = knowledge
            self._take(_unbuilt(knowledge, states), anew=True)
        for url, issues in knowledge.refused.items():
            log.warning("SearchParameter %s is stored but cannot be searched by: %s", url, issues[0].en)
        await self._tell()

    def _made(self, generation: int, only_parameters: bool) -> Knowledge:
        stored = self._stored.in_force()
        return knowledge_of(self.sources, stored, generation, self._complete, only_parameters=only_parameters)

    async def _record(self, knowledge: Knowledge) -> Mapping[str, State]:
        """Record the rules that follow from `knowledge`, before anything is written by them; return the states."""
        states = await self.store.indexing.states()
        unknown = {type: each for type, each in knowledge.rules.items() if type not in states}
        other = {type: each for type, each in knowledge.rules.items() if type in states and states[type].wanted != each}
        if not (unknown or other):
            return states
        await self.store.indexing.begin(unknown, knowledge.generation)
        await self.store.indexing.want(other, knowledge.generation)
        return await self.store.indexing.states()

    def _take(self, unbuilt: dict[str, dict[str, Building]], *, anew: bool = False) -> None:
        """Let new requests work with what is complete but for `unbuilt`."""
        if not anew and _names(unbuilt) == _names(self._unbuilt):
            for type, each in unbuilt.items():  # no more than how far they are has changed
                for name, building in each.items():
                    self._unbuilt[type][name].follow(building)
            return
        assert self._complete is not None
        self._unbuilt = unbuilt
        self._news.set()
        self._current = self._complete.without(unbuilt) if unbuilt else self._complete

    async def watch(self) -> None:
        """Look once at what others have done: definitions, and how far the index is."""
        if self.store.processes.silent:
            await self.store.processes.arrive()
        await self.refresh()
        assert self._complete is not None
        states = await self.store.indexing.states(open=True, types=self._unbuilt)
        self._take(_unbuilt(self._complete, states))
        await self._tell()

    async def _tell(self) -> None:
        """Tell the others by which generation this process works, all of its requests included."""
        now = asyncio.get_running_loop().time()
        oldest = min([self.current.generation, *self._in_use])
        if oldest != self._told[0] or now - self._told[1] >= TELL:
            await self.store.processes.tell(oldest, self.environment)
            self._told = (oldest, now)

    async def _run(self, work: Callable[["Live"], Awaitable[bool]]) -> None:
        working: asyncio.Task[None] | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.watch()
            except Exception as error:  # whatever it is, it must not end here unnoticed
                log.warning("definitions cannot be followed: %s", error, exc_info=not isinstance(error, FhirError))
                await asyncio.sleep(TELL)
                continue
            if working is None or working.done():
                working = self._background.begin(self._logged(work))

    async def _logged(self, work: Callable[["Live"], Awaitable[bool]]) -> None:
        try:
            if await work(self):
                self._news.set()
        except FhirError as error:
            log.warning("the index cannot be built at this moment: %s", error)
        except Exception:
            log.exception("the index cannot be built")


def _unbuilt(knowledge: Knowledge, states: Mapping[str, State]) -> dict[str, dict[str, Building]]:
    """Return what cannot be searched by yet, by resource type and name of the entries."""
    found: dict[str, dict[str, Building]] = {}
    for type, state in states.items():
        missing = knowledge.rules.get(type, frozenset()) - state.built
        if missing:
            job = state.job
            building = Building(job.done, job.total, bool(job.failed and not state.open)) if job else Building()
            found[type] = {rule.partition(" ")[0]: building for rule in missing}
    return found


def _names(unbuilt: Mapping[str, Mapping[str, Building]]) -> set[tuple[str, str]]:
    return {(type, name) for type, each in unbuilt.items() for name in each}
