"""Resources that come along with the matches: what they refer to, and what refers to them.

References are read from the index entries of the page, so that no resource is decoded. With `:iterate` the same
is asked of what has come along, until nothing new does.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fhir_server.search.entries import Condition
from fhir_server.search.query import Include, Query

Key = tuple[str, str]  # resource type, id


class Reverse(NamedTuple):
    """A search for the resources that refer to others."""

    type: str  # that they are of
    condition: Condition


def forward(query: Query, entries: Mapping[Key, Iterable[str]], *, again: bool) -> list[Key]:
    """Return the resources that `_include` asks for, each once, in order; also those in `entries` when referred to.

    `entries`: the index entries of each resource on the page; with `again` of those that came along before, of which
    only what has `:iterate` is asked.
    """
    found: dict[Key, None] = {}
    for include in query.includes:
        if again and not include.iterate:
            continue
        for (type, _), own in entries.items():
            if type == include.source:
                found.update(dict.fromkeys(references(own, include)))
    return sorted(found)


def references(entries: Iterable[str], include: Include) -> list[Key]:
    """Return the local resources that entries of the include's parameters name."""
    beginnings = tuple(f"{name}|" for name in include.names)
    found = []
    for entry in entries:
        if entry.startswith(beginnings):
            key = named(entry)
            if key is not None and include.target in {None, key[0]}:
                found.append(key)
    return found


def named(entry: str) -> Key | None:
    """Return the local resource that an entry of a reference parameter names; None when it names another thing."""
    id, bar, type = entry.partition("|")[2].partition("|")
    # An absolute URL ends with "|" or "|version", the mark of presence has no "|".
    return (type, id) if bar and type[:1].isupper() and type.isalpha() and ":" not in id else None


def backward(query: Query, keys: Sequence[Key], *, again: bool) -> list[Reverse]:
    """Return one search for each `_revinclude` and type of `keys`: what refers to those; none without keys.

    With `again`, `keys` came along before: only what has `:iterate` is asked.
    """
    by_type: dict[str, list[str]] = {}
    for type, id in sorted(keys):
        by_type.setdefault(type, []).append(id)
    found = []
    for include in query.revincludes:
        if (again and not include.iterate) or not include.names:
            continue
        for type, ids in by_type.items():
            if include.target in {None, type}:
                wanted = [f"{name}|{id}|{type}" for name in include.names for id in ids]
                found.append(
                    Reverse(include.source, {"ix": wanted[0]} if len(wanted) == 1 else {"ix": {"$in": wanted}})
                )
    return found


def iterates(query: Query) -> bool:
    """True when what comes along is to be asked for more."""
    return any(include.iterate for include in (*query.includes, *query.revincludes))
