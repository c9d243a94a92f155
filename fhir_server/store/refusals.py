"""Why the database refused a write: another version came first, or another resource holds the claim.

https://hl7.org/fhir/R4/http.html#concurrency and https://hl7.org/fhir/R4/http.html#ccreate

A bulk result names the inserts that failed but not the replacements that matched nothing; and a write that
the driver repeated after a broken connection may meet its own first attempt. So what a writer is told is
decided by looking: a sequence is unique, therefore a version with my sequence is my write.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.outcome import FhirError
from fhir_server.store.documents import Put, history_key
from fhir_server.store.failures import (
    DUPLICATE_KEY,
    TOO_LARGE,
    ClaimTaken,
    VersionConflict,
    answering,
    refused,
    too_large,
)
from fhir_server.store.layout import Layout

Answer = Exception | None  # what a writer gets: None when its version is stored


@dataclass(frozen=True, slots=True)
class Doubt:
    """A write that was perhaps not done: for want of `claim`, or (None) of the superseded version."""

    put: Put
    claim: str | None = None


class Released(Exception):
    """The claim was taken, but its holder let it go meanwhile: the write may be tried again."""


def doubt(put: Put, error: Mapping[str, Any]) -> Doubt | FhirError:
    """Return what one write error of a bulk result says about `put`."""
    code = error.get("code")
    if code == DUPLICATE_KEY:
        return Doubt(put, (error.get("keyValue") or {}).get("uq"))
    return too_large() if code in TOO_LARGE else refused((code, error.get("errmsg")))


async def explain(layout: Layout, type: str, doubts: Sequence[Doubt]) -> list[Answer]:
    """Return the answer to each of the writes of `type` in doubt."""
    written, holders = await asyncio.gather(
        _written(layout, type, [doubt.put for doubt in doubts if doubt.claim is None]),
        _holders(layout, type, [doubt.claim for doubt in doubts if doubt.claim is not None]),
    )
    return [_answer(doubt, written, holders) for doubt in doubts]


def _answer(doubt: Doubt, written: set[int], holders: Mapping[str, str]) -> Answer:
    new = doubt.put.new
    if doubt.claim is None:
        return None if new.sequence in written else VersionConflict(new.type, new.id)
    holder = holders.get(doubt.claim)
    return Released() if holder is None else ClaimTaken(doubt.claim, new.type, holder)


async def _written(layout: Layout, type: str, puts: Sequence[Put]) -> set[int]:
    """Return the sequences of those of `puts` that are or were the current version."""
    if not puts:
        return set()
    ids = [put.new.id for put in puts]
    keys = [history_key(put.new.id, put.new.version) for put in puts]
    with answering():
        # Current first: a version that is superseded between the two looks is in the history by the second.
        current = await layout.current(type).find({"_id": {"$in": ids}}, {"s": 1}).to_list()
        superseded = await layout.history(type).find({"_id": {"$in": keys}}, {"s": 1}).to_list()
    return {document["s"] for document in (*current, *superseded)}


async def _holders(layout: Layout, type: str, claims: Sequence[str]) -> dict[str, str]:
    """Return the ids of the current resources that hold `claims`."""
    if not claims:
        return {}
    with answering():
        documents = await layout.current(type).find({"uq": {"$in": list(claims)}}, {"uq": 1}).to_list()
    return {claim: document["_id"] for document in documents for claim in document["uq"]}
