"""Documents read as far as they are not too many bytes: a thousand resources with documents inside may be gigabytes.

https://hl7.org/fhir/R4/http.html#paging — docs/decisions/0070-bytes-of-a-page.md
"""

from collections.abc import Sequence
from typing import Protocol

from fhir_server.outcome import TooCostly
from fhir_server.store.layout import Document

MIB = 1024 * 1024
LARGEST = 128 * MIB  # of the resources of one page: eight of the largest there can be
_AT_ONCE = 16  # documents between one look at their weight and the next


class Cursor(Protocol):
    """What a query or an aggregation answers with."""

    async def to_list(self, length: int | None = None) -> list[Document]:
        """Return the next documents, `length` at most."""

    async def close(self) -> None:
        """Let the database forget the rest."""


async def collected(cursor: Cursor) -> list[Document]:
    """Return all documents of `cursor`; raise TooCostly as soon as their resources have more than LARGEST bytes."""
    found: list[Document] = []
    room = LARGEST
    while True:
        chunk = await cursor.to_list(_AT_ONCE)
        found += chunk
        room -= _weight(chunk)
        if room < 0:
            await cursor.close()
            raise TooCostly(
                f"This page would have more than {LARGEST // MIB} MiB: ask for smaller pages with _count",
                f"Trang này sẽ có hơn {LARGEST // MIB} MiB: hãy dùng trang nhỏ hơn với _count",
            )
        if len(chunk) < _AT_ONCE:
            return found


def _weight(documents: Sequence[Document]) -> int:
    return sum(len(raw) for document in documents if (raw := document.get("raw")))
