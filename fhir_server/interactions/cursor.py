"""Where a following page begins: numbers in a link, signed so that nobody makes up their own.

https://hl7.org/fhir/R4/http.html#paging

A cursor belongs to one `purpose` (what is paged through, and how it was chosen) and is refused anywhere else. Nothing
is kept on the server.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from fhir_server.outcome import BadRequest

NAME = "_cursor"
_SIGNATURE = 16  # bytes: 128 bits of HMAC-SHA256
_LONGEST = 256


def sign(key: bytes, purpose: Sequence[object], numbers: Sequence[int]) -> str:
    """Return the cursor that carries `numbers`."""
    body = json.dumps(numbers, separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(key, purpose, body) + body).decode().rstrip("=")


def read(key: bytes, purpose: Sequence[object], text: str) -> list[int]:
    """Invert `sign`; raise BadRequest when the cursor was made with another key or for another purpose."""
    try:
        if len(text) > _LONGEST:
            raise ValueError(text)
        signed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise _refused() from None
    signature, body = signed[:_SIGNATURE], signed[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signature(key, purpose, body)):
        raise _refused()
    numbers: list[int] = json.loads(body)
    return numbers


def _signature(key: bytes, purpose: Sequence[object], body: bytes) -> bytes:
    named = json.dumps(["page cursor", *purpose], ensure_ascii=True).encode()
    return hmac.digest(key, named + b"\0" + body, "sha256")[:_SIGNATURE]


def _refused() -> BadRequest:
    return BadRequest(
        f"{NAME} was not made by this server for this address: follow the links as they are, or begin anew without it",
        f"{NAME} không do máy chủ tạo cho địa chỉ này: hãy dùng nguyên liên kết, hoặc bắt đầu lại không có nó",
    )
