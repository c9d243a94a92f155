"""Bundles spliced from stored bytes: no resource is decoded or encoded again.

https://hl7.org/fhir/R4/bundle.html#searchset · https://hl7.org/fhir/R4/bundle.html#history
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import orjson

Mode = Literal["match", "include", "outcome"]
Links = Sequence[tuple[str, str]]  # relation, URL


class Entry(NamedTuple):
    """One result: its absolute URL, its JSON as stored, and why it is there."""

    full_url: str
    resource: bytes
    mode: Mode = "match"


class Change(NamedTuple):
    """One version in a history: what was asked for and what came of it."""

    full_url: str
    resource: bytes | None  # None: deleted
    method: str  # "POST", "PUT", "PATCH" or "DELETE"
    url: str  # relative: "Patient" or "Patient/1"
    status: str  # "201"
    etag: str  # 'W/"3"'
    last_modified: str  # an instant


def searchset(
    links: Links,
    entries: Iterable[Entry],
    *,
    total: int | None = None,
    outcome: bytes | None = None,
    timestamp: str | None = None,
) -> bytes:
    """Return a searchset Bundle as JSON.

    `total`: matches in all, None when not counted; `outcome`: an OperationOutcome about the search, added as an
    entry; `timestamp`: an instant.
    """
    written = [_result(entry) for entry in entries]
    if outcome is not None:
        written.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome)
    return _bundle(b"searchset", links, written, total, timestamp)


def history(
    links: Links, changes: Iterable[Change], *, total: int | None = None, timestamp: str | None = None
) -> bytes:
    """Return a history Bundle as JSON; the newest change is to come first."""
    return _bundle(b"history", links, [_change(change) for change in changes], total, timestamp)


def _result(entry: Entry) -> bytes:
    url, mode = orjson.dumps(entry.full_url), entry.mode.encode()
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (url, entry.resource, mode)


def _change(change: Change) -> bytes:
    resource = b"" if change.resource is None else b',"resource":' + change.resource
    request = orjson.dumps({"method": change.method, "url": change.url})
    response = orjson.dumps({"status": change.status, "etag": change.etag, "lastModified": change.last_modified})
    url = orjson.dumps(change.full_url)
    return b'{"fullUrl":%b%b,"request":%b,"response":%b}' % (url, resource, request, response)


def _bundle(type: bytes, links: Links, entries: list[bytes], total: int | None, timestamp: str | None) -> bytes:
    parts = [b'{"resourceType":"Bundle","type":"%b"' % type]
    if timestamp is not None:
        parts.append(b'"timestamp":' + orjson.dumps(timestamp))
    if total is not None:
        parts.append(b'"total":%d' % total)
    if links:
        parts.append(b'"link":' + orjson.dumps([{"relation": relation, "url": url} for relation, url in links]))
    if entries:
        parts.append(b'"entry":[%b]' % b",".join(entries))
    return b",".join(parts) + b"}"
