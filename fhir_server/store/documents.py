"""What the database holds: versions of resources as values, and their order in time.

https://hl7.org/fhir/R4/resource.html#Meta — versionId, lastUpdated; https://hl7.org/fhir/R4/http.html#versions

    current   {_id: id, v: version, s: sequence, m: method, raw, h: digest, ix: [entries], uq: [claims], p, f, d}
    history   {_id: "id/version", v, s, m, raw, h, d}

Absent values have no field. A deleted resource is a tombstone: no `raw`, no entries, no claims, `d` is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NODES = 1 << 10
_TICKS = 1 << 10  # sequences that one node can make in one millisecond before it borrows from the next
LAST_SEQUENCE = (1 << 63) - 1  # what a BSON int64 can hold; no version has it
_VERSION_FIELDS = ("v", "s", "m", "raw", "h", "d")
VERSION_PROJECTION = dict.fromkeys((*_VERSION_FIELDS, "uq"), 1)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one resource, as the database holds it."""

    type: str
    id: str
    version: int
    sequence: int  # made by a Clock: unique, and ordered by time
    raw: bytes | None  # the exact JSON that is served; None: this version says that the resource is deleted
    digest: bytes | None  # as the writer made it
    method: str  # POST, PUT, PATCH or DELETE: what made this version (history tells)
    claims: tuple[str, ...] = field(default=(), compare=False)  # that it holds as long as it is current; when read

    @property
    def last_updated(self) -> datetime:
        """The moment of this version: UTC, whole milliseconds."""
        return last_updated(self.sequence)


@dataclass(frozen=True, slots=True)
class Put:
    """Write `new`, provided that `superseded` is the current version (None: that the id is not in use)."""

    new: Stored
    superseded: Stored | None
    entries: tuple[str, ...] = ()  # index entries, none for a deleted resource
    claims: tuple[str, ...] = ()  # no two current resources of a type may hold the same claim
    patient: str | None = None
    facility: str | None = None

    def __post_init__(self) -> None:
        old = self.superseded
        if old and (old.type, old.id) != (self.new.type, self.new.id):
            raise ValueError(f"{self.new.type}/{self.new.id} cannot supersede {old.type}/{old.id}")
        if self.new.raw is None and (self.entries or self.claims):
            raise ValueError(f"{self.new.type}/{self.new.id} is deleted: it has no entries and no claims")


class Clock:
    """Makes sequences: unix milliseconds, then a counter, then the node, in 44 + 10 + 10 bits.

    Sequences of one clock strictly increase even when the wall clock steps back; sequences of two clocks
    differ as long as their nodes do.
    """

    def __init__(self, node: int):
        if not 0 <= node < NODES:
            raise ValueError(f"a node is a number from 0 to {NODES - 1}, not {node}")
        self._node = node
        self._tick = 0

    def next(self, now: datetime, after: int = 0) -> int:
        """Return a sequence at `now`, or as soon later as its being new and above `after` asks.

        Give the sequence of the superseded version as `after`: another process may have made it by a clock
        that is ahead, and lastUpdated must not step back.
        """
        self._tick = max(_milliseconds(now) * _TICKS, self._tick + 1, after // NODES + 1)
        return self._tick * NODES + self._node


def last_updated(sequence: int) -> datetime:
    """Return the moment that `sequence` carries: UTC, whole milliseconds."""
    return EPOCH + sequence // (_TICKS * NODES) * MILLISECOND


def sequence_at(moment: datetime) -> int:
    """Return the smallest sequence at or after `moment`, so that a range of time is a range of sequences."""
    return min(max(-(-(moment - EPOCH) // MILLISECOND), 0) * _TICKS * NODES, LAST_SEQUENCE)


def current_document(put: Put) -> dict[str, Any]:
    """Return the document of the current version that `put` makes."""
    document = {"_id": put.new.id, **_version(put.new)}
    if put.entries:
        document["ix"] = put.entries
    if put.claims:
        document["uq"] = put.claims
    if put.patient is not None:
        document["p"] = put.patient
    if put.facility is not None:
        document["f"] = put.facility
    return document


def history_document(stored: Stored) -> dict[str, Any]:
    """Return the document by which the history remembers `stored`."""
    return {"_id": history_key(stored.id, stored.version), **_version(stored)}


def history_key(id: str, version: int) -> str:
    """Return the key of a superseded version; the keys of one id sort by version ('/' is in no FHIR id)."""
    return f"{id}/{version:010d}"


def stored(type: str, id: str, document: Mapping[str, Any]) -> Stored:
    """Return the version that a current or a history document holds."""
    return Stored(
        type=type,
        id=id,
        version=document["v"],
        sequence=document["s"],
        raw=document.get("raw"),
        digest=document.get("h"),
        method=document["m"],
        claims=tuple(document.get("uq", ())),
    )


def _version(stored: Stored) -> dict[str, Any]:
    document: dict[str, Any] = {"v": stored.version, "s": stored.sequence, "m": stored.method}
    if stored.raw is None:
        document["d"] = True
    else:
        document["raw"] = stored.raw
    if stored.digest is not None:
        document["h"] = stored.digest
    return document


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND
