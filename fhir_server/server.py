"""The composition root: settings become a server, once; everything it consists of is in plain sight.

A `Server` is shared by all requests and never changes; a `Context` is one request's view of it. Time and new ids are
arguments (`Context.now`, `Context.new_id`), so that every answer can be repeated in a test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import profiles
from fhir_server import store as storage
from fhir_server.definitions import Definitions, core_facts, package
from fhir_server.definitions.vocabulary import Vocabulary
from fhir_server.search.index import Indexer
from fhir_server.settings import Settings
from fhir_server.store import Clock, Limits, Store
from fhir_server.validation import Validator
from signing import keys, lists
from signing.keys import SignerSet
from signing.trust import TrustList


@dataclass(frozen=True, slots=True)
class Server:
    """Everything that answers requests."""

    settings: Settings
    definitions: Definitions
    validator: Validator
    indexer: Indexer
    vocabulary: Vocabulary
    store: Store
    clock: Clock
    signers: SignerSet
    trust: TrustList
    cursor_key: bytes  # signs page links; the same in every process on this database

    async def close(self) -> None:
        """Let go of the database."""
        await self.store.close()


@dataclass(frozen=True, slots=True)
class Context:
    """One request: the server, the moment, who asks for what form of answer."""

    server: Server
    now: datetime
    new_id: Callable[[], str]
    base_url: str  # without a slash at the end
    language: Literal["vi", "en"] = "en"
    prefer: str = "representation"  # minimal | representation | OperationOutcome
    lenient: bool = False  # Prefer: handling=lenient
    open: bool = False  # nothing is authorised yet: only the process's owner may reach this server


def definitions_of(settings: Settings) -> Definitions:
    """Return R4, the national profiles and the packages that the settings name."""
    return Definitions(core_facts(), packaged(settings))


def packaged(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the resources of the national profiles and of the packages that the settings name; raise NotAPackage."""
    yield from profiles.resources()
    for path in settings.packages:
        yield from package.read(path)


def own_url(settings: Settings) -> str:
    """Return the FHIR base URL that absolute references to resources of this server begin with."""
    return (settings.base_url or f"http://{settings.host}:{settings.port}/fhir").rstrip("/")


async def start(settings: Settings, mongodb_uri: str) -> Server:
    """Return a server that is ready; raise NotReplicaSet, Unavailable, NotAPackage or Refused when it cannot be."""
    definitions = definitions_of(settings)
    signers = keys.load(settings.keys) if settings.keys else SignerSet(())
    foreign = lists.load(settings.trust) if settings.trust else TrustList(())
    database = await storage.connect(mongodb_uri, settings.database, Limits(query=settings.search_timeout))
    return Server(
        settings=settings,
        definitions=definitions,
        validator=Validator(definitions),
        indexer=Indexer(definitions, own_url(settings), ZoneInfo(settings.time_zone)),
        vocabulary=Vocabulary(partial(packaged, settings)),
        store=database,
        clock=Clock(database.node),
        signers=signers,
        trust=signers.trust_list() | foreign,
        cursor_key=await database.secret("page-links"),
    )
