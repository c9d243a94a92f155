"""Certificates: issue one from a person's doses, verify one, show its QR code, publish the keys.

$issue-certificate follows Decision 5772/QĐ-BYT (2021): EU DCC 1.3 as HC1, valid for 12 months at most.
"""

import asyncio
import contextlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from fhir_server import wire
from fhir_server.certificates import dcc
from fhir_server.certificates.report import report
from fhir_server.interactions import read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, escaped, inputs, parameters, text
from fhir_server.outcome import NotFound, NotSupported, Unavailable
from fhir_server.server import Context
from fhir_server.store import Stored
from signing import hc1, qr, uvci
from signing.refusal import Refused
from signing.verify import verify as verified

Json = dict[str, Any]

FORMATS = "https://fhir.tiemchung.vn/CodeSystem/certificate-format"
URI = "urn:ietf:rfc:3986"
KIND = {"system": "http://loinc.org", "code": "82593-5", "display": "Immunization summary report"}
MAX_DOSES = 500  # of one person; nobody has more
MAX_SAME = 10  # documents under one identifier; only one of them is a certificate, unless somebody copied it
LONGEST = 80  # characters of a certificate identifier


async def doses(ctx: Context, patient: str) -> list[Json]:
    """Return the Immunizations of a person, every status; bounded by MAX_DOSES."""
    found = await matches(ctx, "Immunization", [("patient", f"Patient/{patient}")], MAX_DOSES)
    return [wire.loads(stored.raw) for stored in found if stored.raw]


async def issue(ctx: Context, call: Call) -> Answer:
    """Sign a certificate, keep it as a DocumentReference and answer with its text."""
    values = inputs(call, ("format", "targetDisease"))
    format = text(values, "format") or "hc1"
    if format != "hc1":
        raise NotSupported(
            f"Format '{format[:32]}' is not issued here: ask for hc1",
            f"Không cấp định dạng '{format[:32]}': hãy chọn hc1",
        )
    assert call.id is not None
    patient = await read.current(ctx, "Patient", call.id)
    identifier = uvci.make(UUID(ctx.new_id()).bytes)
    payload = dcc.payload(
        wire.loads(patient.raw or b"{}"),
        await doses(ctx, call.id),
        target=text(values, "targetDisease"),
        issuer=ctx.server.settings.certificate_issuer,
        uvci=identifier,
    )
    try:
        issued = hc1.issue(payload, ctx.server.signers.signer(ctx.now), ctx.now)
    except Refused as refused:
        raise Unavailable(
            f"No certificate can be signed now: {refused}. The operator adds a key (fhir-server keys)",
            "Hiện chưa thể ký giấy chứng nhận: người vận hành cần bổ sung khóa ký (fhir-server keys)",
        ) from None
    document = _document(call.id, identifier, issued, ctx)
    stored = write.put(ctx, write.check(ctx, "DocumentReference", document).resource, ctx.new_id(), None, "POST")
    await ctx.server.store.write(stored)
    return parameters(
        [
            {"name": "identifier", "valueUri": identifier},
            {"name": "content", "valueString": issued.text},
            {"name": "expires", "valueInstant": instant(issued.expires)},
            {"name": "document", "valueReference": {"reference": f"DocumentReference/{stored.new.id}"}},
        ]
    )


def _document(patient: str, identifier: str, issued: hc1.Issued, ctx: Context) -> Json:
    """Return the DocumentReference that keeps a certificate: the text itself, whose it is, what it is called."""
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": URI, "value": identifier},
        "status": "current",
        "type": {"coding": [KIND]},
        "subject": {"reference": f"Patient/{patient}"},
        "date": instant(issued.issued),
        "description": ctx.server.settings.certificate_issuer,
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",
                    "data": b64encode(issued.text.encode()).decode(),
                    "creation": instant(issued.issued),
                },
                "format": {"system": FORMATS, "code": "hc1"},
            }
        ],
    }


def kept(stored: Stored) -> tuple[str, str] | None:
    """Return the identifier and the text of the certificate that a DocumentReference keeps; None when it keeps none.

    Anybody may store documents that look like one of these, so nothing is taken for granted.
    """
    document = wire.loads(stored.raw or b"{}")
    identifier = document.get("masterIdentifier", {}).get("value")
    if document.get("status") != "current" or identifier is None:
        return None
    for part in document.get("content", ()):
        if part.get("format", {}).get("system") == FORMATS and (data := part["attachment"].get("data")):
            try:
                return identifier, b64decode(data).decode("ascii")
            except ValueError:  # neither Base64 nor a text that a certificate could have
                return None
    return None


async def verify(ctx: Context, call: Call) -> Answer:
    """Answer with every stage of verification and the content; nothing about the person is kept or logged."""
    found = await asyncio.to_thread(verified, call.resource, ctx.server.trust, ctx.now)
    return Answer(200, wire.dumps(report(found)), media_type="application/json")


async def picture(ctx: Context, call: Call) -> Answer:
    """Answer with the QR code of a certificate issued here, as SVG or PNG."""
    values = dict(call.params)
    format = values["format"]
    if format not in {"svg", "png"}:
        raise NotFound(
            f"There is no qr.{format[:16]}: ask for qr.svg or qr.png",
            f"Không có qr.{format[:16]}: hãy dùng qr.svg hoặc qr.png",
        )
    identifier = values["identifier"]
    found = await matches(
        ctx, "DocumentReference", [("identifier", f"{URI}|{escaped(identifier[:LONGEST])}")], MAX_SAME
    )
    # The oldest is the one that was issued, if others say that they are the same.
    texts = [text for own, text in filter(None, map(kept, reversed(found))) if own == identifier]
    drawn = await asyncio.to_thread(_drawn, texts, qr.png if format == "png" else _svg)
    if drawn is None:
        raise NotFound("No certificate with this identifier was issued here", "Không có giấy chứng nhận với mã số này")
    return Answer(200, drawn, media_type="image/png" if format == "png" else "image/svg+xml")


def _drawn(texts: Iterable[str], draw: Callable[[str], bytes]) -> bytes | None:
    """Return the picture of the first text that can be drawn; None when there is none."""
    for content in texts:
        with contextlib.suppress(Refused):  # what was not issued here can be longer than any certificate
            return draw(content)
    return None


def _svg(text: str) -> bytes:
    return qr.svg(text).encode()


async def trust_list(ctx: Context, call: Call) -> Answer:
    """Answer with the public keys that verify what this server issued."""
    trust = ctx.server.signers.trust_list()
    return Answer(
        200, trust.json.encode(), media_type="application/json", cache="public, max-age=3600", tag=trust.digest[:32]
    )
