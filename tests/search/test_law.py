"""The law of search: what is planned and asked of MongoDB is what a naive reading of R4 finds, in the same order.

Random resources that refer to each other, random queries: criteria of every kind joined by "and" and "or", with their
prefixes and modifiers, chains in both directions, several sort keys, pages.

https://hl7.org/fhir/R4/search.html
"""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple
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

DATABASE = f"law_{uuid.uuid4().hex[:12]}"


class Asking(NamedTuple):
    """A server without HTTP, and the loop that it lives in."""

    runner: asyncio.Runner
    context: Context
    admin: MongoClient[Json]

    def store(self, resources: list[Json]) -> None:
        """Let these be all resources that are stored, the last one the newest."""
        database = self.admin[DATABASE]
        for type in CONTENT:
            database[type].delete_many({})
        exact = (wire.loads(wire.dumps(each)) for each in resources)
        puts = [write.put(self.context, each, each["id"], None, "PUT") for each in exact]
        self.runner.run(self.context.server.store.commit(puts))

    def find(self, type: str, parameters: list[tuple[str, str]]) -> list[str]:
        """Return the ids of all matches, page by page."""
        found: list[str] = []
        while True:
            answer = self.runner.run(search.search(self.context, type, parameters))
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
    with asyncio.Runner() as runner, MongoClient[Json](mongodb_uri) as admin:
        server = runner.run(start(Settings(database=DATABASE), mongodb_uri))
        numbers = iter(range(10**9))
        yield Asking(runner, Context(server, NOW, lambda: str(next(numbers)), "http://test.example/fhir"), admin)
        runner.run(server.close())
        admin.drop_database(DATABASE)


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
