"""The register of certificates: what this server issued, what became of it, and the hashes that are revoked.

https://github.com/eu-digital-green-certificates/dgc-gateway — RevocationBatchDto, and Decision 5772/QĐ-BYT (2021)

    certificates  {_id: identifier, f: format, g: disease, p: patient, b: [what it attests], x: dose, k: kid, c: text,
                   h: [hashes], i: issued, e: expires, s: standing, r: reason, a: changed at, n: document,
                   o: replaces, y: replaced by}
    revocations   {_id: hash, k: kid, f: format, e: expires, a: revoked at}

It is no FHIR resource: nobody writes it through the API, so what stands here was issued here. `b` names the patient
and the doses, such as `Immunization/17`. A certificate is never removed; a revocation may be, once it has expired.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from bson.codec_options import CodecOptions
from pymongo import ASCENDING, IndexModel, InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.store.failures import answering, inserting
from fhir_server.store.layout import Collection, Document

Standing = Literal["valid", "superseded", "revoked"]
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_TOGETHER = 1000
_AT_ONCE = 100_000  # documents in the first answer of a query, which otherwise has 101 of them


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was issued, and how it stands."""

    id: str  # its unique identifier, such as URN:UVCI:01:VN:…
    format: str
    disease: str
    patient: str  # id
    dose: str  # id of the latest dose that it attests
    basis: tuple[str, ...]  # references to all that it attests: the patient and the doses that it counts
    kid: str
    text: str
    hashes: tuple[str, ...]  # by which it is revoked
    issued: datetime
    expires: datetime
    document: str | None = None  # id of the DocumentReference that carries it, if one does
    replaces: str | None = None
    standing: Standing = "valid"
    reason: str | None = None
    changed: datetime | None = None  # when it lost its validity
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Certificates lose their validity: those on any of `basis`, those named in `ids`; `at` a moment, for a reason."""

    standing: Standing
    reason: str
    at: datetime
    basis: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


class Latest(NamedTuple):
    """The newest certificate on a dose: as much of it as tells whether another one is due."""

    id: str
    standing: Standing
    expires: datetime


class Revocation(NamedTuple):
    """A hash on the revocation list; of no use after `expires`."""

    hash: str
    kid: str
    format: str
    expires: datetime
    revoked: datetime


class Register:
    """The register of one database."""

    def __init__(self, database: AsyncDatabase[Document]):
        self._certificates: Collection = database.get_collection("certificates", codec_options=_AWARE)
        self._revocations: Collection = database.get_collection("revocations", codec_options=_AWARE)
        self._made = False

    async def ensure(self) -> None:
        """Make the indexes unless this process knows that they are there."""
        if not self._made:
            with answering():
                await self._certificates.create_indexes([IndexModel([("b", ASCENDING)], name="basis")])
                await self._revocations.create_indexes([IndexModel([("a", ASCENDING)], name="revoked")])
            self._made = True

    async def read(self, id: str) -> Certificate | None:
        """Return the certificate with this identifier."""
        with answering():
            found = await self._certificates.find_one({"_id": id})
        return _certificate(found) if found else None

    async def on(self, basis: Sequence[str], *, only_valid: bool = False, limit: int) -> list[Certificate]:
        """Return up to `limit` certificates that attest any of `basis`, the newest first."""
        condition: dict[str, Any] = {"b": {"$in": list(basis)}, **({"s": "valid"} if only_valid else {})}
        with answering():
            found = await self._certificates.find(condition).sort("i", -1).limit(limit).to_list()
        return [_certificate(each) for each in sorted(found, key=_age, reverse=True)]

    async def add(self, certificates: Sequence[Certificate]) -> set[str]:
        """Store what was issued and return the identifiers of those that were not there before."""
        await self.ensure()
        fresh = {each.id for each in certificates}
        with inserting() as there:
            await self._certificates.insert_many(list(map(_document, certificates)), ordered=False)
        fresh -= there
        replaced = [each for each in certificates if each.replaces and each.id in fresh]
        if replaced:
            with answering():
                await self._certificates.bulk_write(_links(replaced), ordered=False)
        return fresh

    async def affected(self, wanted: Withdrawal, *, limit: int) -> list[Certificate]:
        """Return up to `limit` certificates that would lose their standing."""
        with answering():
            found = await self._certificates.find(_chosen(wanted)).limit(limit).to_list()
        return [_certificate(each) for each in found]

    async def withdraw(self, wanted: Withdrawal) -> list[str]:
        """Take the validity from certificates; return their identifiers. Repeating it changes nothing."""
        await self.ensure()
        with answering():
            return await self.withdraw_within(wanted, None)

    async def withdraw_within(self, wanted: Withdrawal, session: AsyncClientSession | None) -> list[str]:
        """Do what `withdraw` does inside a transaction; the driver's exceptions leave it."""
        chosen = _chosen(wanted)
        found = await self._certificates.find(chosen, session=session).to_list()
        if found:
            # The list first: a crash in between leaves a certificate that counts less than it should, never more.
            await self._revocations.bulk_write(
                [
                    ReplaceOne(
                        {"_id": hash},
                        {"_id": hash, "k": each["k"], "f": each["f"], "e": each["e"], "a": wanted.at},
                        upsert=True,
                    )
                    for each in found
                    for hash in each["h"]
                ],
                ordered=False,
                session=session,
            )
            await self._certificates.update_many(
                {"_id": {"$in": [each["_id"] for each in found]}, "s": chosen["s"]},
                {"$set": {"s": wanted.standing, "r": wanted.reason, "a": wanted.at}},
                session=session,
            )
        return [each["_id"] for each in found]

    async def add_within(self, certificates: Sequence[Certificate], session: AsyncClientSession) -> None:
        """Store what was issued inside a transaction; the driver's exceptions leave it."""
        if certificates:
            operations = [InsertOne(_document(each)) for each in certificates]
            links = _links([each for each in certificates if each.replaces])
            await self._certificates.bulk_write([*operations, *links], session=session)

    async def revoked(self, hashes: Iterable[str]) -> set[str]:
        """Return those of `hashes` that are on the revocation list."""
        with answering():
            found = await self._revocations.find({"_id": {"$in": list(hashes)}}, {"_id": 1}).to_list()
        return {each["_id"] for each in found}

    async def newest_revocation(self) -> tuple[int, datetime | None]:
        """Return how many hashes are on the list, about, and when the last one came."""
        with answering():
            last = await self._revocations.find({}, {"a": 1}).sort("a", -1).limit(1).to_list()
            return await self._revocations.estimated_document_count(), last[0]["a"] if last else None

    async def revocations(self, now: datetime) -> AsyncIterator[Revocation]:
        """Yield every hash of a certificate that would be valid at `now` but for its revocation."""
        cursor = self._revocations.find({"e": {"$gt": now}}).batch_size(10_000)
        with answering():
            async for each in cursor:
                yield Revocation(each["_id"], each["k"], each["f"], each["e"], each["a"])

    async def signed_with(self, kid: str) -> AsyncIterator[list[str]]:
        """Yield the identifiers of all certificates that the key signed, some at a time: a walk through all."""
        cursor = self._certificates.find({"k": kid}, {"_id": 1}).batch_size(_TOGETHER)
        some: list[str] = []
        with answering():
            async for each in cursor:
                some.append(each["_id"])
                if len(some) == _TOGETHER:
                    yield some
                    some = []
        if some:
            yield some

    async def latest(self, doses: Sequence[str], formats: Sequence[str]) -> dict[tuple[str, str], Latest]:
        """Return the newest certificate of each of `doses` (ids) in each format, whatever its standing."""
        if not doses:
            return {}
        condition = {"b": {"$in": [f"Immunization/{dose}" for dose in doses]}, "f": {"$in": list(formats)}}
        projection = dict.fromkeys(("f", "x", "s", "e", "i", "y"), 1)
        with answering():
            found = await self._certificates.find(condition, projection).batch_size(_AT_ONCE).to_list()
        found.sort(key=_age)
        return {(each["x"], each["f"]): Latest(each["_id"], each["s"], each["e"]) for each in found}


def _age(document: Mapping[str, Any]) -> tuple[datetime, bool]:
    """Return what sorts certificates by age: of two of the same second, the one that was replaced is the older."""
    return document["i"], "y" not in document


def _chosen(wanted: Withdrawal) -> dict[str, Any]:
    """Return the condition of the certificates that would lose their standing."""
    named = {"b": {"$in": list(wanted.basis)}} if wanted.basis else {"_id": {"$in": list(wanted.ids)}}
    # A superseded certificate may yet be revoked: the reason tells a verifier more. Not the other way round.
    return {**named, "s": "valid" if wanted.standing == "superseded" else {"$ne": "revoked"}}


def _links(certificates: Iterable[Certificate]) -> list[UpdateOne]:
    return [UpdateOne({"_id": each.replaces}, {"$set": {"y": each.id}}) for each in certificates]


def _document(certificate: Certificate) -> Document:
    document = {
        "_id": certificate.id,
        "f": certificate.format,
        "g": certificate.disease,
        "p": certificate.patient,
        "b": certificate.basis,
        "x": certificate.dose,
        "k": certificate.kid,
        "c": certificate.text,
        "h": certificate.hashes,
        "i": certificate.issued,
        "e": certificate.expires,
        "s": certificate.standing,
        "n": certificate.document,
        "o": certificate.replaces,
    }
    return {name: value for name, value in document.items() if value is not None}


def _certificate(document: Mapping[str, Any]) -> Certificate:
    return Certificate(
        id=document["_id"],
        format=document["f"],
        disease=document["g"],
        patient=document["p"],
        dose=document["x"],
        basis=tuple(document["b"]),
        kid=document["k"],
        text=document.get("c", ""),
        hashes=tuple(document.get("h", ())),
        issued=document["i"],
        expires=document["e"],
        document=document.get("n"),
        replaces=document.get("o"),
        standing=document["s"],
        reason=document.get("r"),
        changed=document.get("a"),
        replaced_by=document.get("y"),
    )
