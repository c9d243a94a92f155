"""What follows from a write: certificates on a record that is corrected or deleted lose their validity with it.

Decision 5772/QĐ-BYT (2021); docs/life-of-a-dose.md tells the whole of it.
"""

from collections.abc import Collection, Sequence
from typing import Any

from fhir_server import wire
from fhir_server.certificates import attested
from fhir_server.server import Context
from fhir_server.store import Certificate, Put, Stored, Withdrawal

ATTESTED = frozenset({"Immunization", "Patient"})
MAX_CERTIFICATES = 1000  # whose documents are marked with one change


def withdrawal(ctx: Context, puts: Sequence[Put]) -> Withdrawal | None:
    """Return which certificates are void once `puts` are stored; None when there can be none."""
    void = {f"{put.new.type}/{put.new.id}": reason for put in puts if (reason := _void(put))}
    return Withdrawal("superseded", next(iter(void.values())), ctx.now, tuple(void)) if void else None


async def documents(
    ctx: Context, wanted: Withdrawal, without: Collection[tuple[str, str]] = ()
) -> list[tuple[dict[str, Any], Stored]]:
    """Return the documents that carry the certificates to be withdrawn: each marked, with the version it supersedes.

    Leave out those whose type and id are in `without`.
    """
    found = await ctx.server.store.register.affected(wanted, limit=MAX_CERTIFICATES)
    return await marked(ctx, found, without)


async def marked(
    ctx: Context, certificates: Sequence[Certificate], without: Collection[tuple[str, str]] = ()
) -> list[tuple[dict[str, Any], Stored]]:
    """Return the documents that carry `certificates`, each with status superseded, and the version it supersedes."""
    keys = {("DocumentReference", each.document) for each in certificates if each.document} - set(without)
    stored = await ctx.server.store.read_many([(type, id) for type, id in keys if id])
    read = [(wire.loads(each.raw), each) for each in stored.values() if each.raw]
    return [({**document, "status": "superseded"}, each) for document, each in read if document["status"] == "current"]


def _void(put: Put) -> str | None:
    """Return why what was attested of the superseded version no longer holds; None when it does."""
    old, new = put.superseded, put.new
    if new.type not in ATTESTED or old is None or old.raw is None:
        return None
    return attested.changed(wire.loads(old.raw), wire.loads(new.raw) if new.raw else None)
