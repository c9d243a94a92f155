"""What a search costs the database: the stages and indexes it chose and how much it examined.

https://www.mongodb.com/docs/manual/reference/explain-results/
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fhir_server.store.layout import Collection, Document


class Cost(NamedTuple):
    """How a query was answered."""

    stages: tuple[str, ...]  # "FETCH", "IXSCAN", outermost first
    indexes: tuple[str, ...]
    keys: int  # of indexes, examined
    documents: int  # examined
    returned: int
    milliseconds: int


async def explain(collection: Collection, command: Document, milliseconds: int) -> Cost:
    """Run `command` (a find or an aggregate) on `collection` and return what it cost."""
    verb = next(iter(command))
    said = await collection.database.command(
        {"explain": {verb: collection.name, **command[verb]}, "verbosity": "executionStats", "maxTimeMS": milliseconds}
    )
    planned: Document = next(_values(said, "winningPlan"), {})
    spent: Document = next(_values(said, "executionStats"), {})
    return Cost(
        stages=tuple(dict.fromkeys(_values(planned, "stage"))),
        indexes=tuple(dict.fromkeys(_values(planned, "indexName"))),
        keys=spent.get("totalKeysExamined", 0),
        documents=spent.get("totalDocsExamined", 0),
        returned=spent.get("nReturned", 0),
        milliseconds=spent.get("executionTimeMillis", 0),
    )


def _values(said: Any, key: str) -> Iterator[Any]:
    """Yield what `key` holds, wherever it stands: the shape differs by verb and by version of the database."""
    if isinstance(said, list):
        for item in said:
            yield from _values(item, key)
    elif isinstance(said, dict):
        if key in said:
            yield said[key]
        for item in said.values():
            yield from _values(item, key)
