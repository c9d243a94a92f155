"""DEFLATE: compression in little memory, decompression with a bound.

A code that a camera can read must not fill the memory of its reader. Of its writer it takes 48 KiB: the 256 KiB that
zlib takes by itself may go back to the system and be asked for again with each certificate, which takes twice as long
as the compression.

https://www.rfc-editor.org/rfc/rfc1950 (zlib) and https://www.rfc-editor.org/rfc/rfc1951 (raw DEFLATE)
"""

import zlib

from signing.refusal import Refused

_HEADER = b"\x78\xda"  # window of up to 32 KiB, best compression: what readers expect of a certificate
_LEVEL = 9  # takes as long as level 1 for contents as short as these
_SHORT = 4096  # bytes
LIMIT = 64 * 1024  # bytes; the largest certificate seen in public test material inflates to less than 4 KiB


def compress(data: bytes) -> bytes:
    """Return `data` as a zlib stream."""
    return _HEADER + raw(data) + zlib.adler32(data).to_bytes(4, "big")


def raw(data: bytes) -> bytes:
    """Return `data` as a DEFLATE stream without any header."""
    window, memory = (12, 6) if len(data) <= _SHORT else (15, 8)  # logarithms; both see all of a short text at once
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, memory)
    return stream.compress(data) + stream.flush()


def inflate(data: bytes, limit: int = LIMIT) -> bytes:
    """Return what the zlib stream `data` holds.

    Raise Refused when it is no zlib stream, is cut short, is followed by anything, or holds more than `limit` bytes.
    """
    return _inflated(zlib.decompressobj(), data, limit, "zlib")


def inflate_raw(data: bytes, limit: int = LIMIT) -> bytes:
    """Return what the DEFLATE stream `data` without any header holds; raise Refused as `inflate` does."""
    return _inflated(zlib.decompressobj(-zlib.MAX_WBITS), data, limit, "deflate")


def _inflated(stream: "zlib._Decompress", data: bytes, limit: int, name: str) -> bytes:
    try:
        content = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise Refused(f"not-{name}", f"the content is not a {name} stream ({error})") from None
    if len(content) > limit:
        raise Refused("inflated-too-long", f"the content inflates to more than {limit} bytes")
    if not stream.eof:
        raise Refused(f"{name}-truncated", f"the {name} stream is cut short")
    if stream.unused_data:
        raise Refused(f"{name}-trailing", f"{len(stream.unused_data)} bytes follow the {name} stream")
    return content
