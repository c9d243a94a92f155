"""The headers by which a request is conditional, read into values; Bundle entries say the same in their `request`.

https://hl7.org/fhir/R4/http.html#concurrency · #cread · #ccreate — https://www.rfc-editor.org/rfc/rfc7232
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from fhir_server.interactions.conditional import Unless
from fhir_server.outcome import BadRequest, NotSupported

Headers = Mapping[str, str]  # lower-case names

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def if_match(headers: Headers) -> int | None:
    """Return the version that If-Match names; raise BadRequest when it is not `W/"3"`."""
    text = headers.get("if-match")
    if text is None:
        return None
    found = re.fullmatch(r'\s*(?:W/)?"?([1-9][0-9]{0,8})"?\s*', text)
    if not found:
        raise BadRequest(
            f'If-Match: {text[:64]} names no version: copy the ETag you were given, such as W/"3"',
            f'If-Match: {text[:64]} không nêu phiên bản: hãy chép ETag đã nhận, ví dụ W/"3"',
        )
    return int(found[1])


def only_new(headers: Headers) -> bool:
    """Return whether an update must not find the resource (If-None-Match: *); raise NotSupported for versions."""
    text = headers.get("if-none-match")
    if text is None:
        return False
    if text.strip() != "*":
        raise NotSupported(
            "If-None-Match of an update is * and nothing else: use If-Match to name the version that you have seen",
            "If-None-Match khi cập nhật chỉ nhận *: hãy dùng If-Match để nêu phiên bản đã đọc",
        )
    return True


def unless(headers: Headers) -> Unless | None:
    """Return what If-None-Match and If-Modified-Since say; None when they say nothing that is understood."""
    tags, since = headers.get("if-none-match"), headers.get("if-modified-since")
    if tags is not None:
        return Unless(versions=frozenset({"*"} if tags.strip() == "*" else _TAG.findall(tags)))
    moment = _moment(since) if since is not None else None
    return Unless(since=moment) if moment else None


def if_none_exist(headers: Headers) -> str | None:
    """Return the query of If-None-Exist, which may be written after the address of the type; None without it."""
    text = headers.get("if-none-exist")
    if text is None:
        return None
    address, mark, query = text.strip().partition("?")
    # Behind the first parameter's "=" a question mark is part of a value, as in a system's URL.
    return query if mark and "=" not in address else text.strip()


def _moment(text: str) -> datetime | None:
    """Read an HTTP date, or the instant of a Bundle entry; None, as RFC 7232 asks, when it is neither."""
    try:
        if text[:1].isdigit():
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else None
        # An HTTP date has no milliseconds, lastUpdated has: all of that second is "not after".
        return parsedate_to_datetime(text).replace(tzinfo=UTC) + timedelta(milliseconds=999)
    except (ValueError, OverflowError):
        return None
