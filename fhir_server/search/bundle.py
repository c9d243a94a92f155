"""Bundles spliced from stored bytes: no resource is decoded or encoded again.

https://hl7.org/fhir/R4/bundle.html#searchset · https://hl7.org/fhir/R4/bundle.html#history
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

import orjson


class Version(Protocol):
    """A version of a resource as the database holds it; `raw` None says that it was deleted."""

    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def raw(self) -> bytes | None: ...
    @property
    def method(self) -> str: ...
    @property
    def last_updated(self) -> datetime: ...


_STATUS = {"POST": "201 Created", "DELETE": "204 No Content"}


def searchset(
    matches: Iterable[Version],
    included: Iterable[Version] = (),
    *,
    base_url: str,
    links: Mapping[str, str],
    total: int | None = None,
    outcome: bytes | None = None,
    now: datetime | None = None,
) -> bytes:
    """Return a searchset Bundle as JSON: the matches, then what was included, then what there is to say about them.

    `links`: URLs by relation; `total`: matches in all, None when not counted; `outcome`: an OperationOutcome as JSON.
    Deleted versions are left out.
    """
    entries = [_result(base_url, each, b"match") for each in matches if each.raw is not None]
    entries += [_result(base_url, each, b"include") for each in included if each.raw is not None]
    if outcome is not None:
        entries.append(b'{"resource":' + outcome + b',"search":{"mode":"outcome"}}')
    return _bundle(b"searchset", links, entries, total, now)


def history(
    versions: Iterable[Version],
    *,
    base_url: str,
    links: Mapping[str, str],
    total: int | None = None,
    now: datetime | None = None,
) -> bytes:
    """Return a history Bundle as JSON with the versions in the order given (the newest is to come first)."""
    return _bundle(b"history", links, [_change(base_url, each) for each in versions], total, now)


def instant(moment: datetime) -> str:
    """Return a UTC time as FHIR writes it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _result(base_url: str, found: Version, mode: bytes) -> bytes:
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (_url(base_url, found), found.raw, mode)


def _change(base_url: str, version: Version) -> bytes:
    resource = b"" if version.raw is None else b',"resource":' + version.raw
    address = version.type if version.method == "POST" else f"{version.type}/{version.id}"
    created = version.method == "PUT" and version.version == 1
    status = "201 Created" if created else _STATUS.get(version.method, "200 OK")
    request = orjson.dumps({"method": version.method, "url": address})
    response = orjson.dumps(
        {"status": status, "etag": f'W/"{version.version}"', "lastModified": instant(version.last_updated)}
    )
    url = _url(base_url, version)
    return b'{"fullUrl":%b%b,"request":%b,"response":%b}' % (url, resource, request, response)


def _url(base_url: str, version: Version) -> bytes:
    return orjson.dumps(f"{base_url}/{version.type}/{version.id}")


def _bundle(
    type: bytes, links: Mapping[str, str], entries: list[bytes], total: int | None, now: datetime | None
) -> bytes:
    parts = [b'{"resourceType":"Bundle","type":"%b"' % type]
    if now is not None:
        parts.append(b'"timestamp":' + orjson.dumps(instant(now)))
    if total is not None:
        parts.append(b'"total":%d' % total)
    if links:
        parts.append(b'"link":' + orjson.dumps([{"relation": name, "url": url} for name, url in links.items()]))
    if entries:
        parts.append(b'"entry":[' + b",".join(entries) + b"]")
    return b",".join(parts) + b"}"
