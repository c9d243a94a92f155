"""Cross-origin requests: which web pages may call this server from a browser; none unless the settings name them.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ASKED = (
    b"accept, accept-language, authorization, content-type, content-encoding, if-match, if-modified-since, "
    b"if-none-exist, if-none-match, prefer"
)
_TOLD = b"content-location, etag, last-modified, location, retry-after"
_MAX_AGE = b"600"  # seconds that a browser remembers the answer to OPTIONS


def allowed(origin: str, origins: Collection[str]) -> bool:
    """Return whether pages of `origin` may read the answers."""
    return bool(origin) and ("*" in origins or origin in origins)


def telling(send: Send, origin: str, origins: Collection[str]) -> Send:
    """Return `send` with the headers by which a browser knows whether the page may read the answer."""
    added: Headers = [(b"vary", b"origin")]
    if allowed(origin, origins):
        added += [(b"access-control-allow-origin", origin.encode("latin-1")), (b"access-control-expose-headers", _TOLD)]

    async def told(message: Message) -> None:
        # What is public for pages of every origin says so itself.
        if message["type"] == "http.response.start" and b"access-control-allow-origin" not in dict(message["headers"]):
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return told


def options(origin: str, origins: Collection[str]) -> Headers:
    """Return the headers of the answer to OPTIONS."""
    headers: Headers = [(b"allow", METHODS)]
    if allowed(origin, origins):
        headers += [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", _ASKED),
            (b"access-control-max-age", _MAX_AGE),
        ]
    return headers
