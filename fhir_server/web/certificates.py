"""Certificates over HTTP: verify one, fetch its QR code, fetch the keys that verify them.

Each request is an interaction that passes the corridor like all others. See docs/certificates.md.
"""

import time
from weakref import WeakKeyDictionary

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from fhir_server import wire
from fhir_server.outcome import BadRequest, Unavailable, UnsupportedMediaType
from fhir_server.rest.dispatch import dispatch
from fhir_server.rest.interaction import Invoke
from fhir_server.server import Server
from fhir_server.web import fhir, negotiation
from fhir_server.web.rates import Buckets

router = APIRouter()

MAX_CERTIFICATE = 64 * 1024  # bytes of a verify request; a QR code holds at most 4,296 characters
MAX_CARD = 256 * 1024  # bytes of a file of health cards
MAX_FILE = 8 * 1024 * 1024  # bytes of a picture or a PDF
FILES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/svg+xml", "application/pdf")
CARDS = "application/smart-health-card"
FILE_COST = 10  # so many texts are verified in the time that a picture or PDF takes

_buckets: WeakKeyDictionary[FastAPI, Buckets] = WeakKeyDictionary()


@router.post("/certificates/verify")
async def verify(request: Request) -> Response:
    """Verify `{"certificate": "HC1:…"}`, a picture, a PDF or a card file; answer with every stage and the content."""
    try:
        headers = dict(request.headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_file = kind in FILES
        _take(request, FILE_COST if is_file else 1)
        limit = MAX_FILE if is_file else MAX_CARD if kind == CARDS else MAX_CERTIFICATE
        body = await fhir.read_body(request.receive, headers, limit)
        certificate = body if is_file or kind == CARDS else _certificate(body, headers)
    except Exception as error:
        return _refusal(request, error)
    return await _answer(request, Invoke("certificate-verify", resource=certificate))


def _certificate(body: bytes, headers: dict[str, str]) -> str:
    """Return the text in the JSON of a request; raise BadRequest or UnsupportedMediaType when there is none."""
    try:
        negotiation.require_content(headers.get("content-type", ""))
    except UnsupportedMediaType:
        raise UnsupportedMediaType(
            f"Send JSON, or a certificate as {', '.join((*FILES, CARDS))}",
            f"Hãy gửi JSON, hoặc chứng nhận dưới dạng {', '.join((*FILES, CARDS))}",
        ) from None
    said = wire.loads(body)
    text = said.get("certificate") if isinstance(said, dict) else None
    if not isinstance(text, str):
        raise BadRequest('Send {"certificate": "HC1:…"}', 'Hãy gửi {"certificate": "HC1:…"}')
    return text


def _take(request: Request, tokens: int) -> None:
    """Take from what the client's address may have verified; raise TooManyRequests."""
    buckets = _buckets.get(request.app)
    if buckets is None:
        buckets = _buckets[request.app] = Buckets(request.app.state.settings.verify_rate, time.monotonic)
    buckets.take(request.client.host if request.client else "", tokens)


@router.get("/certificates/trust-list")
async def trust_list(request: Request) -> Response:
    """Answer with the public keys in use."""
    return await _answer(request, Invoke("certificate-trust-list"), public=True)


@router.get("/trustList")
async def gateway(request: Request) -> Response:
    """Answer with the public keys in use as the EU gateway writes them, at its address."""
    return await _answer(request, Invoke("certificate-trust-list", params=(("form", "gateway"),)), public=True)


@router.get("/certificates/offline-bundle")
async def offline_bundle(request: Request) -> Response:
    """Answer with what a verifier without a network needs, in one signed file."""
    return await _published(request, "offline-bundle")


@router.get("/.well-known/jwks.json")
async def keys(request: Request) -> Response:
    """Answer with the keys of SMART Health Cards."""
    return await _published(request, "jwks.json")


@router.get("/.well-known/did.json")
async def document(request: Request) -> Response:
    """Answer with the keys as a DID document of the WHO's network."""
    return await _published(request, "did.json")


@router.get("/.well-known/crl/{kid}.json")
async def revoked_cards(request: Request, kid: str) -> Response:
    """Answer with the revocation list of one key of SMART Health Cards."""
    return await _published(request, f"crl/{kid}.json")


@router.get("/certificates/{identifier:path}/qr.{format}")
async def picture(request: Request, identifier: str, format: str) -> Response:
    """Answer with the QR code of a certificate as `svg` or `png`."""
    return await _answer(
        request, Invoke("certificate-picture", params=(("identifier", identifier), ("format", format)))
    )


@router.get("/certificates/{identifier:path}.pdf")
async def paper(request: Request, identifier: str) -> Response:
    """Answer with a certificate as a signed PDF to be printed."""
    return await _answer(request, Invoke("certificate-paper", params=(("identifier", identifier),)))


@router.get("/certificates/{identifier:path}/status")
async def status(request: Request, identifier: str) -> Response:
    """Answer to the holder how a certificate stands."""
    return await _answer(request, Invoke("certificate-status", params=(("identifier", identifier),)))


async def _published(request: Request, name: str) -> Response:
    return await _answer(request, Invoke("certificate-publication", params=(("name", name),)), public=True)


async def _answer(request: Request, interaction: Invoke, *, public: bool = False) -> Response:
    """Answer by the corridor; what is `public` may be read by pages of any origin, as health cards demand."""
    server: Server | None = getattr(request.app.state, "server", None)
    headers = dict(request.headers)
    try:
        if server is None:
            raise Unavailable("The server is starting", "Máy chủ đang khởi động")
        ctx = fhir.context(server, _base_url(request), headers)
        answer = await dispatch(ctx, interaction)
    except Exception as error:
        return _refusal(request, error)
    kept = {"cache-control": answer.cache or "no-store", "x-content-type-options": "nosniff"}
    if public:
        kept["access-control-allow-origin"] = "*"
    if answer.tag is not None:
        kept["etag"] = f'"{answer.tag}"'
    if negotiation.unchanged(headers.get("if-none-match", ""), answer.tag):
        return Response(status_code=304, headers=kept)
    return Response(answer.body, answer.status, kept, answer.media_type)


def _base_url(request: Request) -> str:
    """Return the FHIR base URL: the one configured, else beside the address that the client used."""
    return (request.app.state.settings.base_url or f"{request.base_url}fhir").rstrip("/")


def _refusal(request: Request, error: Exception) -> Response:
    language = negotiation.language(request.headers.get("accept-language", ""), request.app.state.settings.language)
    reply = fhir.refusal(error, language)
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})
