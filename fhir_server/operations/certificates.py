"""Certificates: verify one, show the QR code of one that was issued here, publish the keys.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""

import asyncio

from fhir_server import wire
from fhir_server.certificates.formats import FORMATS
from fhir_server.certificates.report import report
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call
from fhir_server.operations.certificate_register import kept
from fhir_server.operations.revocation import verified
from fhir_server.outcome import NotFound, Unavailable, Unprocessable
from fhir_server.server import Context
from signing import qr, reading
from signing.refusal import Refused

AT_ONCE, MOST_WAITING = 2, 16  # files that are read in this process: drawing a PDF takes a core for a while


class _Waiting:
    """How many files are being read or wait for it."""

    count = 0


_reading, _waiting = asyncio.Semaphore(AT_ONCE), _Waiting()


async def verify(ctx: Context, call: Call) -> Answer:
    """Answer with every stage of verification and the content; nothing about the person is kept or logged.

    Of a file with several certificates the first that is not valid is told, or else the first, and beside it all.
    """
    try:
        texts = await _texts(call.resource)
    except Refused as refused:
        raise Unprocessable(
            f"No certificate can be read from this file: {refused.detail}",
            "Không đọc được chứng nhận nào từ tệp này: hãy chụp lại rõ hơn hoặc gửi tệp khác",
        ) from None
    reports = [report(await verified(ctx, text)) for text in texts]
    told = next((each for each in reports if not each["valid"]), reports[0])
    if len(reports) > 1:
        told = {**told, "certificates": reports}
    return Answer(200, wire.dumps(told), media_type="application/json")


async def _texts(given: str | bytes) -> tuple[str, ...]:
    """Return the certificate's text as it is, or those that a file holds; raise Refused, or Unavailable when busy."""
    if isinstance(given, str):
        return (given,)
    if _waiting.count >= MOST_WAITING:
        raise Unavailable(
            "Too many pictures are being read: try again", "Đang đọc quá nhiều ảnh: hãy thử lại sau giây lát"
        )
    _waiting.count += 1
    try:
        async with _reading:
            return await asyncio.to_thread(reading.certificates, given)
    finally:
        _waiting.count -= 1


async def picture(ctx: Context, call: Call) -> Answer:
    """Answer with the QR code of a certificate issued here, as SVG or PNG."""
    values = dict(call.params)
    format = values["format"]
    if format not in {"svg", "png"}:
        raise NotFound(
            f"There is no qr.{format[:16]}: ask for qr.svg or qr.png",
            f"Không có qr.{format[:16]}: hãy dùng qr.svg hoặc qr.png",
        )
    certificate = await kept(ctx, values["identifier"])
    text = FORMATS[certificate.format].qr(certificate.text)
    try:
        drawn = await asyncio.to_thread(qr.png if format == "png" else _svg, text)
    except Refused:
        raise NotFound(
            "The certificate is too long for a QR code: it is handed over as a file",
            "Giấy chứng nhận quá dài cho một mã QR: hãy dùng tệp",
        ) from None
    return Answer(200, drawn, media_type="image/png" if format == "png" else "image/svg+xml")


def _svg(text: str) -> bytes:
    return qr.svg(text).encode()


async def trust_list(ctx: Context, call: Call) -> Answer:
    """Answer with the public keys that verify what this server issued; `form` gateway: in a bare array."""
    trust = ctx.server.signers.trust_list()
    content = trust.gateway if dict(call.params).get("form") == "gateway" else trust.json
    return Answer(
        200, content.encode(), media_type="application/json", cache="public, max-age=3600", tag=trust.digest[:32]
    )
