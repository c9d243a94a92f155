"""Content codings: answers compressed for who accepts it, requests that came compressed, both within bounds.

https://hl7.org/fhir/R4/http.html#compression · https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

import asyncio
import gzip
import re
import zlib

from fhir_server.outcome import BadRequest, TooLarge, UnsupportedMediaType

FLOOR = 1024  # bytes: below this the headers outweigh what is won
LEVEL = 4
ASIDE = 256 * 1024  # bytes from which the work is done beside the event loop

Headers = list[tuple[bytes, bytes]]


def accepted(accept_encoding: str) -> bool:
    """Return whether the client reads gzip."""
    offers = {}
    for part in accept_encoding.lower().split(",")[:20]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        offers[name] = not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", each) for each in parameters)
    return offers.get("gzip", offers.get("x-gzip", offers.get("*", False)))


async def encoded(body: bytes, headers: Headers, accept_encoding: str) -> tuple[bytes, Headers]:
    """Return the body as it travels and the headers that say so."""
    if len(body) < FLOOR:
        return body, headers
    headers = [*headers, (b"vary", b"accept-encoding")]
    if not accepted(accept_encoding):
        return body, headers
    if len(body) < ASIDE:
        packed = gzip.compress(body, LEVEL, mtime=0)
    else:
        packed = await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)
    # Other bytes, same meaning: what a strong entity tag promises no longer holds.
    weak = [(name, b"W/" + value if name == b"etag" and value[:1] == b'"' else value) for name, value in headers]
    return packed, [*weak, (b"content-encoding", b"gzip")]


async def decoded(body: bytes, content_encoding: str, limit: int) -> bytes:
    """Return what the client wrote; raise UnsupportedMediaType, BadRequest, or TooLarge above `limit` bytes."""
    coding = content_encoding.strip().lower()
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip"}:
        raise UnsupportedMediaType(
            f"Content-Encoding '{content_encoding[:64]}' is not supported: send gzip, or the body as it is",
            f"Không hỗ trợ Content-Encoding '{content_encoding[:64]}': hãy gửi gzip hoặc không nén",
        )
    if len(body) < ASIDE:
        return _inflated(body, limit)
    return await asyncio.to_thread(_inflated, body, limit)


def _inflated(body: bytes, limit: int) -> bytes:
    inflating = zlib.decompressobj(wbits=31)
    try:
        content = inflating.decompress(body, limit + 1)
    except zlib.error:
        raise _broken() from None
    if len(content) > limit:
        raise TooLarge(
            f"The body is larger than {limit} bytes when unpacked: send it in parts",
            f"Nội dung sau khi giải nén lớn hơn {limit} byte: hãy chia nhỏ",
        )
    # A second member is refused: to go on through thousands of empty ones would be work without an end.
    if not inflating.eof or inflating.unused_data:
        raise _broken()
    return content


def _broken() -> BadRequest:
    return BadRequest(
        "The body is not one whole gzip member although Content-Encoding says gzip: pack it again",
        "Nội dung không phải một khối gzip hoàn chỉnh dù Content-Encoding ghi gzip: hãy nén lại",
    )
