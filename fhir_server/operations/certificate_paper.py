"""A certificate that was issued here, as a PDF to be printed: made and signed when it is asked for.

Decision 5772/QĐ-BYT (2021), section 1.1; ETSI EN 319 142-1 (PAdES)
"""

import asyncio
from datetime import datetime

from fhir_server import wire
from fhir_server.certificates.formats import FORMATS
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call
from fhir_server.operations.certificate_register import kept
from fhir_server.outcome import Gone, Unavailable
from fhir_server.server import Context
from fhir_server.store import Certificate
from signing import qr
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.trust import TrustList
from signing.verify import verify

TITLE = ("CHỨNG NHẬN TIÊM CHỦNG", "Vaccination certificate")


async def pdf(ctx: Context, call: Call) -> Answer:
    """Answer with the certificate on one page; raise Gone when it is not valid any more."""
    certificate = await kept(ctx, dict(call.params)["identifier"])
    if certificate.standing != "valid":
        successor = f": {certificate.replaced_by}" if certificate.replaced_by else ""
        raise Gone(
            f"This certificate was {certificate.standing}{successor}: it is not printed any more",
            f"Giấy chứng nhận này không còn hiệu lực{successor}: không in được nữa",
        )
    stored = await ctx.server.store.read("Patient", certificate.patient)
    patient = wire.loads(stored.raw) if stored and stored.raw else {}
    standing = f"{ctx.base_url.removesuffix('/fhir')}/certificates/{certificate.id}/status"
    try:
        key = ctx.server.signers.signer(ctx.now)
        made = await asyncio.to_thread(_made, certificate, patient, standing, ctx.server.trust, key, ctx.now)
    except Refused as refused:
        raise Unavailable(
            f"The page cannot be signed now: {refused}", "Hiện chưa thể ký trang in: hãy thử lại sau"
        ) from None
    return Answer(200, made, media_type="application/pdf")


def _made(
    certificate: Certificate,
    patient: dict[str, object],
    standing: str,
    trust: TrustList,
    key: SigningKey,
    now: datetime,
) -> bytes:
    # pyHanko and ReportLab take as long to import as all else together: not at every start.
    from fhir_server.certificates import paper
    from signing import pades

    content = verify(certificate.text, trust, now).content or {}
    lines = list(paper.lines(certificate.format, content))
    if nationality := paper.nationality(patient):
        lines.insert(2, nationality)
    until = instant(certificate.expires)[:10]
    remarks = [
        (f"Mã số: {certificate.id}", f"Valid until / Có giá trị đến: {until}"),
        (
            "Dùng kèm giấy tờ tùy thân. Quét mã QR để kiểm tra chữ ký số.",
            f"To be used with an identity document. Scan the code to verify the signature; standing: {standing}",
        ),
    ]
    code = qr.png(FORMATS[certificate.format].qr(certificate.text), 8)
    return pades.sign(paper.pdf(paper.Page(TITLE, lines, code, remarks)), key, "Vaccination certificate")
