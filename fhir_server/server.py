"""The composition root: settings become a server, once; everything it consists of is in plain sight.

A `Server` is shared by all requests; what changes while it runs is what it knows (`live`), and a request works with
what was known when it began. A `Context` is one request's view of it. Time and new ids are
arguments (`Context.now`, `Context.new_id`), so that every answer can be repeated in a test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal

from fhir_server import store as storage
from fhir_server.background import Background
from fhir_server.definitions import Definitions, core_facts
from fhir_server.definitions.package import NotAPackage
from fhir_server.definitions.vocabulary import Vocabulary
from fhir_server.knowledge import WATCHED, Knowledge, Live, packaged, reindex, sources_of
from fhir_server.search.index import Indexer
from fhir_server.settings import Apply, Settings
from fhir_server.store import Clock, Limits, Store
from fhir_server.validation import Validator
from signing import chains, did, lists, rules
from signing.chains import Authorities
from signing.keyring import Keyring
from signing.keys import SignerSet
from signing.keystore import Secrets
from signing.refusal import Refused
from signing.rules import Rulebook
from signing.trust import TrustList


@dataclass(frozen=True, slots=True)
class Server:
    """Everything that answers requests."""

    settings: Settings
    live: Live
    vocabulary: Vocabulary
    store: Store
    clock: Clock
    keyring: Keyring
    facility_trust: Authorities  # whose certificates facilities sign doses with
    rulebook: Rulebook | None  # business rules for certificates; None: none are applied
    cursor_key: bytes  # signs page links; the same in every process on this database
    certificate_secret: bytes  # hides who a certificate is of in its identifiers
    background: Background = field(default_factory=Background)
    pinned: Knowledge | None = None  # what one request works with; None: what is known at the moment
    views: list["Server"] = field(default_factory=list, repr=False, compare=False)  # the last that was pinned

    @property
    def signers(self) -> SignerSet:
        """The keys of this issuer, as they are at this moment."""
        return self.keyring.signers

    @property
    def trust(self) -> TrustList:
        """Whose certificates verify here."""
        return self.keyring.trust

    @property
    def knowledge(self) -> Knowledge:
        """What FHIR means here."""
        return self.pinned or self.live.current

    @property
    def definitions(self) -> Definitions:
        """What R4, the packages and the users define."""
        return self.knowledge.definitions

    @property
    def validator(self) -> Validator:
        """Checks resources against the definitions."""
        return self.knowledge.validator

    @property
    def indexer(self) -> Indexer:
        """Makes index entries; its catalogue has the search parameters."""
        return self.knowledge.indexer

    def knowing(self, knowledge: Knowledge) -> "Server":
        """Return this server as one request sees it: definitions that change do not change it."""
        if not self.views or self.views[0].pinned is not knowledge:
            self.views[:] = [replace(self, pinned=knowledge)]
        return self.views[0]

    async def close(self) -> None:
        """End what is done in the background and let go of the database."""
        await self.background.close()
        await self.live.close()
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
    profiles: Apply | None = None  # Prefer: profiles=warn; None: as the settings say
    open: bool = False  # nothing is authorised yet: only the process's owner may reach this server

    def afterwards(self) -> "Context":
        """Return the context of work that goes on after the answer: it works with what is known by then."""
        return replace(self, server=replace(self.server, pinned=None))


def definitions_of(settings: Settings) -> Definitions:
    """Return R4, the national profiles and the packages that the settings name; raise NotAPackage."""
    return Definitions(core_facts(), packaged(settings))


def secrets_of(settings: Settings) -> Secrets:
    """Return what opens the keystore; a file of the passphrase may end with a line break. Raise OSError or Refused."""
    file, given, pin = settings.keys_passphrase_file, settings.keys_passphrase, settings.keys_pin
    passphrase = file.read_bytes().rstrip(b"\r\n") if file else given.get_secret_value().encode() if given else None
    if file and not passphrase:  # what is encrypted with nothing lies open
        raise Refused("no-passphrase", f"{file} holds no passphrase: write one into it")
    return Secrets(passphrase, pin.get_secret_value() if pin else None)


async def start(settings: Settings, mongodb_uri: str) -> Server:
    """Return a server that is ready.

    Raise Refused, NotAPackage or OSError when a setting leads to nothing of use, BadAddress, NotReplicaSet or
    Unavailable when there is no database.
    """
    sources = sources_of(settings)
    pins = tuple(pin for file in settings.trust_pins for pin in did.pins(file.read_bytes()))
    foreign = lists.load(settings.trust, pins) if settings.trust else None
    keyring = Keyring(settings.keys, secrets_of(settings), foreign)
    facility_trust = chains.load(settings.facility_trust) if settings.facility_trust else Authorities()
    rulebook = rules.load(settings.rules).arriving(settings.rules_country) if settings.rules else None
    limits = Limits(query=settings.search_timeout)
    database = await storage.connect(mongodb_uri, settings.database, limits, counted=WATCHED)
    live = Live(database, sources)
    try:
        await live.open()
        unknown = live.current.validator.by_type(settings.type_profiles).get("", ())
        if unknown:
            raise NotAPackage(f"FHIR_TYPE_PROFILES names profiles that no package here defines: {', '.join(unknown)}")
        cursor_key = await database.secret("page-links")
        certificate_secret = await database.secret("certificates")
    except BaseException:
        await live.close()
        await database.close()
        raise
    live.run(reindex.work)
    return Server(
        settings=settings,
        live=live,
        vocabulary=Vocabulary(partial(packaged, settings)),
        store=database,
        clock=Clock(database.node),
        keyring=keyring,
        facility_trust=facility_trust,
        rulebook=rulebook,
        cursor_key=cursor_key,
        certificate_secret=certificate_secret,
    )
