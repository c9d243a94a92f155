"""Decompression with a bound: a code that a camera can read must not fill the memory.

https://www.rfc-editor.org/rfc/rfc1950
"""

import zlib

from signing.refusal import Refused

LIMIT = 64 * 1024  # bytes; the largest certificate seen in public test material inflates to less than 4 KiB


def inflate(data: bytes, limit: int = LIMIT) -> bytes:
    """Return what the zlib stream `data` holds.

    Raise Refused when it is no zlib stream, is cut short, is followed by anything, or holds more than `limit` bytes.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise Refused("not-zlib", f"the content is not a zlib stream ({error})") from None
    if len(content) > limit:
        raise Refused("inflated-too-long", f"the content inflates to more than {limit} bytes")
    if not stream.eof:
        raise Refused("zlib-truncated", "the zlib stream is cut short")
    if stream.unused_data:
        raise Refused("zlib-trailing", f"{len(stream.unused_data)} bytes follow the zlib stream")
    return content
