"""https://www.mongodb.com/docs/manual/core/write-operations-atomicity/: by which rules resources can be found."""

from dataclasses import replace

import pytest

from fhir_server.store import Store, VersionConflict
from fhir_server.store import indexing as module
from fhir_server.store.indexing import Indexing
from tests.store.versions import create, update

OLD, NEW, OTHER = frozenset({"name 1"}), frozenset({"name 1", "box 1"}), frozenset({"name 2", "box 1"})


@pytest.fixture
def indexing(store: Store) -> Indexing:
    return store.indexing


async def test_types_of_which_nothing_is_stored_are_built_at_once(store: Store, indexing: Indexing) -> None:
    await store.write(create("a"))
    await indexing.begin({"Patient": OLD, "Group": OLD}, 1)
    states = await indexing.states()
    assert (states["Group"].built, states["Group"].open) == (OLD, False)
    assert (states["Patient"].built, states["Patient"].open) == (frozenset(), True)
    await indexing.begin({"Patient": NEW, "Group": NEW}, 2)  # another process, later: what is recorded stays
    assert await indexing.states() == states


async def test_what_is_no_longer_wanted_is_no_longer_built(indexing: Indexing) -> None:
    await indexing.begin({"Patient": NEW}, 1)
    await indexing.want({"Patient": OLD}, 2)
    assert (await indexing.states())["Patient"].built == OLD
    await indexing.want({"Patient": NEW}, 3)  # it comes back: resources were written without it
    state = (await indexing.states(open=True))["Patient"]
    assert (state.built, state.wanted, state.generation) == (OLD, NEW, 3)
    await indexing.want({"Patient": OTHER}, 2)  # by a process that is behind
    assert (await indexing.states())["Patient"] == state


async def test_one_process_at_a_time_works_until_its_lease_ends(
    indexing: Indexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await indexing.begin({"Patient": OLD}, 1)
    assert not await indexing.lease("Patient", "one")  # there is nothing to do
    await indexing.want({"Patient": NEW}, 2)
    assert await indexing.lease("Patient", "one")
    assert await indexing.lease("Patient", "one")
    assert not await indexing.lease("Patient", "other")
    job = await indexing.start("Patient", "one")
    assert job is not None
    assert await indexing.start("Patient", "other") is None
    assert await indexing.advance("Patient", "one", replace(job, after="m", done=7))
    assert not await indexing.advance("Patient", "other", job)
    await indexing.release("Patient", "other")
    assert not await indexing.lease("Patient", "other")
    monkeypatch.setattr(module, "LEASE", -1)  # the last renewal of one that died, long ago
    assert await indexing.lease("Patient", "one")
    assert await indexing.lease("Patient", "other")
    again = await indexing.start("Patient", "other")
    assert again is not None
    assert (again.after, again.done, again.started) == ("m", 7, job.started)
    assert not await indexing.advance("Patient", "one", job)
    assert not await indexing.finish("Patient", "one", NEW)
    assert await indexing.finish("Patient", "other", NEW)
    state = (await indexing.states())["Patient"]
    assert (state.built, state.open, state.job, state.done) == (NEW, False, None, 7)


async def test_a_job_for_rules_that_changed_meanwhile_builds_nothing(indexing: Indexing) -> None:
    await indexing.begin({"Patient": OLD}, 1)
    await indexing.want({"Patient": NEW}, 2)
    await indexing.lease("Patient", "one")
    job = await indexing.start("Patient", "one")
    assert job is not None
    await indexing.want({"Patient": OTHER}, 3)
    assert not await indexing.advance("Patient", "one", job)
    assert not await indexing.finish("Patient", "one", NEW)
    state = (await indexing.states(open=True))["Patient"]
    assert (state.built, state.job) == (frozenset(), None)


async def test_a_forced_index_can_be_searched_meanwhile(indexing: Indexing) -> None:
    await indexing.begin({"Patient": OLD, "Group": OLD}, 1)
    await indexing.force(["Patient"])
    [(type, state)] = (await indexing.states(open=True)).items()
    assert (type, state.built) == ("Patient", OLD)
    await indexing.lease("Patient", "one")
    await indexing.start("Patient", "one")
    assert await indexing.finish("Patient", "one", OLD)
    assert await indexing.states(open=True) == {}


async def test_what_could_not_be_indexed_waits_for_somebody(indexing: Indexing) -> None:
    await indexing.begin({"Patient": OLD}, 1)
    await indexing.want({"Patient": NEW}, 2)
    await indexing.lease("Patient", "one")
    job = await indexing.start("Patient", "one")
    assert job is not None
    await indexing.advance("Patient", "one", replace(job, failed=("a.b", "$c")))
    await indexing.fail("Patient", "one")
    assert await indexing.states(open=True) == {}
    state = (await indexing.states())["Patient"]
    assert state.job is not None
    assert (state.built, state.job.failed) == (OLD, ("a.b", "$c"))
    await indexing.force(["Patient"])
    assert (await indexing.states(open=True))["Patient"].job is None


async def test_pages_hold_what_is_current_by_id(store: Store, indexing: Indexing) -> None:
    puts = [create(id, f"name|{id}") for id in ("c", "a", "b", "d")]
    for put in puts:
        await store.write(put)
    await store.write(update(puts[3].new, raw=None))
    first = await indexing.page("Patient", "", 2)
    assert [(each.id, each.entries) for each in first] == [("a", ("name|a",)), ("b", ("name|b",))]
    assert [each.id for each in await indexing.page("Patient", "b", 2)] == ["c"]
    assert await indexing.page("Patient", "c", 2) == []
    assert await indexing.page("Group", "", 2) == []


async def test_entries_are_replaced_only_of_the_version_that_was_read(store: Store, indexing: Indexing) -> None:
    stays, changes = create("stays", "name|old"), create("changes", "name|old")
    await store.write(stays)
    await store.write(changes)
    page = await indexing.page("Patient", "", 10)
    await store.write(update(changes.new, "name|newer"))
    await indexing.rewrite("Patient", [replace(each, entries=("box|1",), patient="p") for each in page])
    now = {each.id: (each.version, each.entries, each.patient) for each in await indexing.page("Patient", "", 10)}
    assert now == {"stays": (1, ("box|1",), "p"), "changes": (2, ("name|newer",), None)}
    await indexing.rewrite("Patient", [replace(each, patient=None) for each in await indexing.page("Patient", "", 10)])
    assert {each.patient for each in await indexing.page("Patient", "", 10)} == {None}
    with pytest.raises(VersionConflict):  # a writer's own check is not disturbed
        await store.write(update(changes.new, "name|late"))
