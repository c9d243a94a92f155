"""Versions to store in tests: short to write down, with a clock that ticks once per version."""

from datetime import UTC, datetime

from fhir_server.store import Clock, Put, Stored

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
_clock = Clock(1000)


def version(
    id: str, number: int = 1, raw: bytes | None = b"{}", *, type: str = "Patient", method: str = "PUT"
) -> Stored:
    """Return version `number` of `type`/`id`, later than every version made before."""
    digest = None if raw is None else raw[:32]
    return Stored(type, id, number, _clock.next(START), raw, digest, method)


def create(id: str, *entries: str, type: str = "Patient", raw: bytes = b"{}", claims: tuple[str, ...] = ()) -> Put:
    """Return the creation of `type`/`id`."""
    return Put(version(id, 1, raw, type=type), None, entries, claims)


def update(old: Stored, *entries: str, raw: bytes | None = b"{}", claims: tuple[str, ...] = ()) -> Put:
    """Return the update of `old`, or (`raw` None) its deletion."""
    new = version(old.id, old.version + 1, raw, type=old.type, method="DELETE" if raw is None else "PUT")
    return Put(new, old, entries, claims)
