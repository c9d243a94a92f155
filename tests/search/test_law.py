"""The law of search: what is planned and asked of MongoDB is what a naive reading of R4 finds, in the same order.

Random resources that refer to each other, random queries: criteria of every kind joined by "and" and "or", with their
prefixes and modifiers, chains in both directions, several sort keys, pages.

https://hl7.org/fhir/R4/search.html
"""

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from threading import Thread
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_server import wire
from fhir_server.interactions import search, write
from fhir_server.server import Context, start
from fhir_server.settings import Settings
from tests.search.naive import NOW, Naive
from tests.search.questions import Question, questions
from tests.search.wanted import written
from tests.search.worlds import CONTENT, world

Json = dict[str, Any]
Result = TypeVar("Result")

DATABASE = f"law_{uuid.uuid4().hex[:12]}"


class Asking(NamedTuple):
    """A server without HTTP, and the loop that it lives in, which another thread runs."""

    loop: asyncio.AbstractEventLoop
    context: Context
    admin: MongoClient[Json]

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def store(self, resources: list[Json]) -> None:
        """Let these be all resources that are stored, the last one the newest."""
        database = self.admin[DATABASE]
        for type in CONTENT:
            database[type].delete_many({})
        exact = (wire.loads(wire.dumps(each)) for each in resources)
        puts = [write.put(self.context, each, each["id"], None, "PUT") for each in exact]
        self.run(self.context.server.store.commit(puts))

    def find(self, type: str, parameters: list[tuple[str, str]]) -> list[str]:
        """Return the ids of all matches, page by page."""
        found: list[str] = []
        while True:
            answer = self.run(search.search(self.context, type, parameters))
            assert answer.body is not None
            bundle = wire.loads(answer.body)
            page = [row["resource"]["id"] for row in bundle.get("entry", ())]
            found += page
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                return found
            assert page  # a link leads on from something
            assert len(found) < 200  # and not for ever
            parameters = parse_qsl(urlsplit(following[0]).query)


@pytest.fixture(scope="module")
def asking(mongodb_uri: str) -> Iterator[Asking]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    starting = start(Settings(database=DATABASE), mongodb_uri)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        with MongoClient[Json](mongodb_uri) as admin:
            yield Asking(loop, Context(server, NOW, lambda: "unused", "http://test.example/fhir"), admin)
            asyncio.run_coroutine_threadsafe(server.close(), loop).result()
            admin.drop_database(DATABASE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def differing(
    asking: Asking, naive: Naive, question: Question
) -> tuple[list[tuple[str, str]], list[str], list[str]] | None:
    """Return a search whose matches are not those that the naive reading finds, and both; None when they are."""
    type, wanted, sort, size = question
    parameters = [written(each) for each in wanted] + [("_count", str(size))]
    if sort:
        parameters.append(("_sort", ",".join(f"-{code}" if descending else code for code, descending in sort)))
    expected, found = naive.search(type, wanted, sort), asking.find(type, parameters)
    event("none" if not expected else "all" if len(expected) == len(naive.search(type, [], [])) else "some")
    return None if found == expected else (parameters, found, expected)


def hold(asking: Asking, data: st.DataObject, type: str, seed: int, size: int) -> None:
    """Store a world, ask several questions about it."""
    resources = world(seed, size)
    asking.store(resources)
    naive = Naive(resources)
    for question in data.draw(st.lists(questions(type), min_size=8, max_size=10)):
        assert differing(asking, naive, question) is None


unhurried = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
sizes = st.just(60) | st.integers(1, 60)


@pytest.mark.parametrize("type", CONTENT)
@settings(unhurried, max_examples=20)
@given(st.data(), st.integers(0, 10**6), sizes)
def test_a_planned_search_finds_what_a_naive_one_finds(
    asking: Asking, type: str, data: st.DataObject, seed: int, size: int
) -> None:
    hold(asking, data, type, seed, size)


@pytest.mark.long
@pytest.mark.parametrize("type", CONTENT)
@settings(unhurried, max_examples=500)
@given(st.data(), st.integers(0, 10**6), sizes)
def test_the_same_for_longer(asking: Asking, type: str, data: st.DataObject, seed: int, size: int) -> None:
    hold(asking, data, type, seed, size)
