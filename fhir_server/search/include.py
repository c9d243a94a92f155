"""Resources that come along with the matches: what they refer to, and what refers to them.

References are read from the index entries of the page, so that no resource is decoded.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fhir_server.search.entries import Condition
from fhir_server.search.query import Include, Query

Key = tuple[str, str]  # resource type, id


class Reverse(NamedTuple):
    """A search for the resources that refer to the page's."""

    type: str  # that they are of
    condition: Condition


def included(query: Query, entries: Mapping[str, Iterable[str]]) -> list[Key]:
    """Return the resources that `_include` asks for, each once, in order.

    `entries`: the index entries of each match on the page, by its id. Matches themselves are not named again.
    """
    found: dict[Key, None] = {}
    for include in query.includes:
        for own in entries.values():
            found.update(dict.fromkeys(references(own, include)))
    matches = {(query.type, id) for id in entries}
    return sorted(key for key in found if key not in matches)


def references(entries: Iterable[str], include: Include) -> list[Key]:
    """Return the local resources that entries of the include's parameter name."""
    beginning = f"{include.parameter.name}|"
    found = []
    for entry in entries:
        if entry.startswith(beginning):
            id, bar, type = entry.removeprefix(beginning).partition("|")
            # An absolute URL ends with "|" or "|version", the mark of presence has no "|".
            if bar and type[:1].isupper() and type.isalpha() and (include.target in {None, type}) and ":" not in id:
                found.append((type, id))
    return found


def reverse(query: Query, ids: Sequence[str]) -> list[Reverse]:
    """Return one search for each `_revinclude`: what refers to the matches `ids`; none when the page is empty."""
    if not ids:
        return []
    found = []
    for include in query.revincludes:
        keys = [f"{include.parameter.name}|{id}|{query.type}" for id in sorted(ids)]
        found.append(Reverse(include.source, {"ix": keys[0]} if len(keys) == 1 else {"ix": {"$in": keys}}))
    return found
