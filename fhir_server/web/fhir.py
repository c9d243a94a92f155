"""FHIR over HTTP: bytes in, an interaction through the corridor, bytes out.

A plain ASGI application: on the hot paths nothing stands between the socket and the corridor.

https://hl7.org/fhir/R4/http.html
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote
from uuid import uuid4

from fhir_server import wire
from fhir_server.interactions import check
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import BadRequest, Issue, TooLarge, Unavailable, outcome
from fhir_server.rest import audit
from fhir_server.rest.dispatch import dispatch
from fhir_server.rest.interaction import Interaction, Params, Request, Stores, parameters, understand
from fhir_server.server import Context, Server
from fhir_server.settings import Apply
from fhir_server.web import coding, negotiation
from fhir_server.web.gate import LARGE, Gate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MEDIA_TYPE = negotiation.FHIR_JSON


class Reply(NamedTuple):
    """What goes onto the wire."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


async def respond(server: Server, base_url: str, scope: Scope, receive: Receive, send: Send, gate: Gate) -> None:
    """Answer one request below the FHIR base; every failure is an OperationOutcome."""
    headers = read_headers(scope["headers"])
    ctx = context(server, base_url, headers)
    pretty = False
    try:
        query = parameters(scope["query_string"])
        media_type, pretty = _presentation(headers, query)
        form, interaction, answer = await _answer(ctx, scope, headers, query, receive, gate)
        if form:  # a search that is posted says there, too, how it is to be answered
            media_type, pretty = _presentation(headers, (*query, *form))
        said = reply(ctx, interaction, answer, media_type)
        if negotiation.unchanged(headers.get("if-none-match", ""), answer.tag):
            said = Reply(304, b"", said.headers)
    except Exception as error:
        said = refusal(error, ctx.language)
    if ctx.profiles is not None and check.applied(ctx) is ctx.profiles:  # RFC 7240, 3
        said.headers.append((b"preference-applied", f"profiles={ctx.profiles}".encode()))
    if pretty and said.body:
        said = said._replace(body=wire.indented(said.body))
    body, told = await coding.encoded(said.body, said.headers, headers.get("accept-encoding", ""))
    await send_reply(send, Reply(said.status, body, told), head=scope["method"] == "HEAD")


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by their names in lower case; several lines of one name are one list (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), _text(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _text(value: bytes) -> str:
    # Conditions travel in headers, and not every client encodes what it writes: names come in UTF-8 as they are.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _presentation(headers: dict[str, str], params: Params) -> tuple[str, bool]:
    """Return the media type to answer with, and whether for people to read."""
    said = dict(params)
    media_type = negotiation.answered_with(headers.get("accept", ""), said.get("_format", ""))
    return media_type, negotiation.pretty(said.get("_pretty", ""))


def context(server: Server, base_url: str, headers: dict[str, str]) -> Context:
    """Return the request's view of the server: time, ids, language, preferences."""
    preferences = negotiation.preferences(headers.get("prefer", ""))
    return Context(
        server=server.knowing(server.live.current),
        now=datetime.now(UTC),
        new_id=lambda: str(uuid4()),
        base_url=base_url,
        language=negotiation.language(headers.get("accept-language", ""), server.settings.language),
        prefer=preferences.get("return", ""),
        lenient=preferences.get("handling") == "lenient",
        profiles=Apply(preferences["profiles"]) if "profiles" in preferences else None,
        open=True,
    )


async def _answer(
    ctx: Context, scope: Scope, headers: dict[str, str], query: Params, receive: Receive, gate: Gate
) -> tuple[Params, Interaction, Answer]:
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    limit = ctx.server.settings.max_body
    content = await read_body(receive, headers, limit) if method in {"POST", "PUT", "PATCH"} else None
    async with gate.passing(len(content or b"")):
        said = await _request(method, scope, headers, query, content)
        interaction = understand(said, ctx.server.definitions.resource_types)
        return said.form, interaction, await dispatch(ctx, interaction)


async def _request(method: str, scope: Scope, headers: dict[str, str], query: Params, content: bytes | None) -> Request:
    path = tuple(unquote(step) for step in scope["fhir_path"].split("/") if step)
    if content is None:
        return Request(method, path, query, headers)
    # https://hl7.org/fhir/R4/http.html#search: a search that is posted is a form, and nothing else is one.
    searching = path[-1:] == ("_search",)
    if content:
        negotiation.require_content(headers.get("content-type", ""), form=searching, patch=method == "PATCH")
    if searching:
        return Request(method, path, query, headers, form=parameters(content))
    if content:
        # Beside the event loop, so that others have their turn while a large body is read.
        body = await asyncio.to_thread(wire.loads, content) if len(content) >= LARGE else wire.loads(content)
        return Request(method, path, query, headers, body)
    if path and path[-1].startswith("$"):
        return Request(method, path, query, headers)
    raise BadRequest(
        "The request has no body: send a FHIR resource", "Yêu cầu không có nội dung: hãy gửi tài nguyên FHIR"
    )


async def read_body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """Return the body, unpacked; raise TooLarge as soon as it is longer than `limit` bytes."""
    too_large = TooLarge(
        f"The body is larger than {limit} bytes: send it in parts", f"Nội dung lớn hơn {limit} byte: hãy chia nhỏ"
    )
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unavailable("The client went away before the body was complete", "Máy khách đã ngắt kết nối")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
        if not message.get("more_body"):
            return await coding.decoded(b"".join(chunks), headers.get("content-encoding", ""), limit)


def reply(ctx: Context, interaction: Interaction, answer: Answer, media_type: str = MEDIA_TYPE) -> Reply:
    """Give `answer` its HTTP form: media type, ETag, Last-Modified, Location, and the body that Prefer asks for."""
    given = media_type if answer.media_type == MEDIA_TYPE else answer.media_type
    headers = [(b"content-type", f"{given}; charset=utf-8".encode())]
    if answer.version is not None:
        headers.append((b"etag", f'W/"{answer.version}"'.encode()))
    elif answer.tag is not None:
        headers.append((b"etag", f'"{answer.tag}"'.encode()))
    if answer.last_modified is not None:
        headers.append((b"last-modified", format_datetime(answer.last_modified, usegmt=True).encode()))
    if answer.location is not None:
        headers.append((b"location", f"{ctx.base_url}/{answer.location}".encode()))
    headers.append((b"cache-control", (answer.cache or "no-store").encode()))
    if answer.cache is not None:
        headers.append((b"vary", b"accept"))
    headers += ((name.encode(), value.encode()) for name, value in answer.headers)
    body = answer.body or b""
    if isinstance(interaction, Stores):
        body = _preferred(ctx, answer, body)
    return Reply(answer.status, body, headers)


def _preferred(ctx: Context, answer: Answer, body: bytes) -> bytes:
    """Return what Prefer asks for after a write; the resource when it says nothing.

    https://hl7.org/fhir/R4/http.html#return
    """
    if ctx.prefer == "minimal":
        return b""
    if ctx.prefer == "OperationOutcome":
        done = Issue("information", "informational", f"Stored as {answer.location}", f"Đã lưu: {answer.location}")
        return wire.dumps(outcome([done, *answer.issues], ctx.language))
    return body


def refusal(error: Exception, language: Literal["vi", "en"]) -> Reply:
    """Return the OperationOutcome of `error`; what is no FhirError is a failure of the server, and logged."""
    error = audit.failure(error)
    headers = [(b"content-type", f"{MEDIA_TYPE}; charset=utf-8".encode()), (b"cache-control", b"no-store")]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return Reply(error.status, wire.dumps(outcome(error.issues, language)), headers)


async def send_reply(send: Send, reply: Reply, head: bool = False) -> None:
    """Send `reply`, without its body when only the head was asked for."""
    headers = [*reply.headers, (b"x-content-type-options", b"nosniff")]
    if reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
