"""Certificates over HTTP: verify one, fetch its QR code, fetch the keys that verify them.

Each request is an interaction that passes the corridor like all others. See docs/certificates.md.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server import wire
from fhir_server.outcome import BadRequest, Unavailable
from fhir_server.rest.dispatch import dispatch
from fhir_server.rest.interaction import Invoke
from fhir_server.server import Server
from fhir_server.web import fhir, negotiation

router = APIRouter(prefix="/certificates")

MAX_CERTIFICATE = 64 * 1024  # bytes of a verify request; a QR code holds at most 4,296 characters


@router.post("/verify")
async def verify(request: Request) -> Response:
    """Verify `{"certificate": "HC1:…"}` and answer with every stage and the content."""
    try:
        headers = dict(request.headers)
        body = await fhir.read_body(request.receive, headers, MAX_CERTIFICATE)
        negotiation.require_content(headers.get("content-type", ""))
        said = wire.loads(body)
        text = said.get("certificate") if isinstance(said, dict) else None
        if not isinstance(text, str):
            raise BadRequest('Send {"certificate": "HC1:…"}', 'Hãy gửi {"certificate": "HC1:…"}')
    except Exception as error:
        return _refusal(request, error)
    return await _answer(request, Invoke("certificate-verify", resource=text))


@router.get("/trust-list")
async def trust_list(request: Request) -> Response:
    """Answer with the public keys in use."""
    return await _answer(request, Invoke("certificate-trust-list"))


@router.get("/{identifier:path}/qr.{format}")
async def picture(request: Request, identifier: str, format: str) -> Response:
    """Answer with the QR code of a certificate as `svg` or `png`."""
    return await _answer(
        request, Invoke("certificate-picture", params=(("identifier", identifier), ("format", format)))
    )


@router.get("/{identifier:path}/status")
async def status(request: Request, identifier: str) -> Response:
    """Answer to the holder how a certificate stands."""
    return await _answer(request, Invoke("certificate-status", params=(("identifier", identifier),)))


async def _answer(request: Request, interaction: Invoke) -> Response:
    server: Server | None = getattr(request.app.state, "server", None)
    headers = dict(request.headers)
    try:
        if server is None:
            raise Unavailable("The server is starting", "Máy chủ đang khởi động")
        ctx = fhir.context(server, "", headers)
        answer = await dispatch(ctx, interaction)
    except Exception as error:
        return _refusal(request, error)
    kept = {"cache-control": answer.cache or "no-store", "x-content-type-options": "nosniff"}
    if answer.tag is not None:
        kept["etag"] = f'"{answer.tag}"'
    if negotiation.unchanged(headers.get("if-none-match", ""), answer.tag):
        return Response(status_code=304, headers=kept)
    return Response(answer.body, answer.status, kept, answer.media_type)


def _refusal(request: Request, error: Exception) -> Response:
    language = negotiation.language(request.headers.get("accept-language", ""), request.app.state.settings.language)
    reply = fhir.refusal(error, language)
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})
