"""Pages: links that say what was applied, and signed cursors that say where the next page begins.

A cursor holds the sort keys of the last match and names the search that it belongs to; nothing is kept on the server.

https://hl7.org/fhir/R4/http.html#paging · https://hl7.org/fhir/R4/search.html#Summary
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from urllib.parse import quote

from fhir_server.outcome import BadRequest
from fhir_server.search.query import CURSOR, PRESENTATION, Query

Key = tuple[str | int | None, ...]

# What a client may change from one page to the next.
FREE = PRESENTATION | {"_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_explain"}
SIGNATURE = 16  # bytes: 128 bits of HMAC-SHA256
LONGEST = 49152  # characters: five sort keys may each be a text of a thousand letters of four bytes


def digest(query: Query) -> str:
    """Return a short name of the set and order of results: equal for the pages of one search."""
    chosen = [query.type, *sorted((name, text) for name, text in query.applied if name.partition(":")[0] not in FREE)]
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:16]


def sign(key: bytes, query: Query, last: Key) -> str:
    """Return the cursor after the match whose sort keys are `last`."""
    body = json.dumps([digest(query), *last], ensure_ascii=False, separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(key, body) + body).decode().rstrip("=")


def after(key: bytes, query: Query) -> Key | None:
    """Return the sort keys that the page of `query` begins after; None for the first page.

    Raise BadRequest when the cursor was not made with `key`, or for another search.
    """
    if query.cursor is None:
        return None
    text = query.cursor
    try:
        if len(text) > LONGEST:
            raise ValueError(text)
        signed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, NotBase64):
        raise _refused() from None
    signature, body = signed[:SIGNATURE], signed[SIGNATURE:]
    if not hmac.compare_digest(signature, _signature(key, body)):
        raise _refused()
    name, *last = json.loads(body)
    if name != digest(query):
        raise BadRequest(
            f"{CURSOR} belongs to another search: follow the links as they are, or begin anew without it",
            f"{CURSOR} thuộc về một tìm kiếm khác: hãy dùng nguyên liên kết, hoặc bắt đầu lại không có nó",
        )
    return tuple(last)


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"search cursor\0" + body, "sha256")[:SIGNATURE]


def _refused() -> BadRequest:
    return BadRequest(
        f"{CURSOR} was not made by this server: follow the links as they are, or begin anew without it",
        f"{CURSOR} không do máy chủ này tạo: hãy dùng nguyên liên kết, hoặc bắt đầu lại không có nó",
    )


def url(base_url: str, query: Query, cursor: str | None = None) -> str:
    """Return the URL of a page of `query`: the parameters that were applied, and where it begins."""
    parameters: Sequence[tuple[str, str]] = query.applied
    if cursor is not None:
        parameters = [*parameters, (CURSOR, cursor)]
    written = "&".join(f"{quote(name, safe=':._-')}={quote(text, safe=':/|,.$-')}" for name, text in parameters)
    return f"{base_url}/{query.type}" + (f"?{written}" if written else "")


def links(base_url: str, query: Query, following: str | None) -> list[tuple[str, str]]:
    """Return the relation and URL of `self` and, when a page follows (its cursor is given), of `next`."""
    found = [("self", url(base_url, query, query.cursor))]
    if following is not None:
        found.append(("next", url(base_url, query, following)))
    return found
