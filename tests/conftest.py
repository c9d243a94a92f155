"""What the tests share: a real MongoDB, started once, and a fresh database for each test that stores something."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings
from pymongo import MongoClient

from fhir_server.store import Store, connect
from fhir_server.store.embedded import EmbeddedMongo

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a replica set: MONGODB_URI when it is set, else an embedded mongod of this test run."""
    given = os.environ.get("MONGODB_URI")
    if given:
        yield given
        return
    with EmbeddedMongo(tmp_path_factory.mktemp("mongod"), cache_gb=0.25, oplog_mb=64) as mongod:
        yield mongod.uri


@pytest.fixture(scope="session")
def _admin(mongodb_uri: str) -> Iterator[MongoClient[dict[str, object]]]:
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        yield client


@pytest.fixture
def database(_admin: MongoClient[dict[str, object]]) -> Iterator[str]:
    """The name of a database that no other test uses; dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    _admin.drop_database(name)


@pytest.fixture
async def store(mongodb_uri: str, database: str) -> AsyncIterator[Store]:
    """An empty store."""
    async with await connect(mongodb_uri, database) as store:
        yield store
