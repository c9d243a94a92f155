"""One server for each module of tests."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from signing import development
from tests.http.serving import serving


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a development signing key."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    development.generate(folder, datetime.now(UTC))
    return folder


@pytest.fixture(scope="module")
async def client(mongodb_uri: str, keys: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with an empty database."""
    name = f"http_{uuid.uuid4().hex[:12]}"
    async with serving(mongodb_uri, name, keys=keys) as client:
        yield client
    with MongoClient[dict[str, object]](mongodb_uri) as admin:
        admin.drop_database(name)
