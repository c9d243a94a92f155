"""Bundles that are sent: batch (each entry on its own) and transaction (all or nothing).

https://hl7.org/fhir/R4/http.html#transaction · https://hl7.org/fhir/R4/bundle.html#bundle-unique
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from fhir_server.interactions.answer import Answer
from fhir_server.interactions.stamp import instant
from fhir_server.outcome import BadRequest, FhirError, Issue, TooLarge, outcome
from fhir_server.rest import links, room
from fhir_server.rest.interaction import Bundle, Interaction, Request, Stores, request, understand
from fhir_server.rest.room import Dispatch as Dispatch
from fhir_server.server import Context

Json = dict[str, Any]
TOGETHER = 32  # entries of one batch that are under way at once
Authorise = Callable[[Context, Interaction], None]


def read_entries(ctx: Context, bundle: Any) -> list[Json]:
    """Return the entries of a batch or transaction; raise BadRequest or TooLarge when it is none."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise BadRequest(
            "Send a Bundle of type batch or transaction to the base URL, a single resource to [base]/[type]",
            "Gửi Bundle loại batch hoặc transaction tới địa chỉ gốc, tài nguyên đơn lẻ tới [base]/[type]",
        )
    if bundle.get("type") not in ("batch", "transaction"):
        raise BadRequest(
            "Bundle.type must be batch or transaction", "Bundle.type phải là batch hoặc transaction", (), "Bundle.type"
        )
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BadRequest("Bundle.entry is an array", "Bundle.entry phải là mảng", (), "Bundle.entry")
    limit = ctx.server.settings.max_entries
    if len(entries) > limit:
        raise TooLarge(
            f"The Bundle has {len(entries)} entries, the limit is {limit}: send it in parts",
            f"Bundle có {len(entries)} mục, giới hạn là {limit}: hãy chia nhỏ",
        )
    return entries


def read_entry(ctx: Context, entry: Any, position: int) -> Interaction:
    """Return what `Bundle.entry[position]` asks for; raise a FhirError that names it."""
    at = f"Bundle.entry[{position}]"
    try:
        said = _request(ctx, entry)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BadRequest(
            f"{at} needs request.method and request.url, such as PUT Patient/1",
            f"{at} cần request.method và request.url, ví dụ PUT Patient/1",
            (),
            f"{at}.request",
        ) from None
    try:
        interaction = understand(said, ctx.server.definitions.resource_types)
    except FhirError as error:
        raise located(error, position, at=f"{at}.request") from None
    if isinstance(interaction, Bundle):
        raise BadRequest(f"{at} is a Bundle itself", f"{at} lại là một Bundle", (), at)
    return interaction


def _request(ctx: Context, entry: Json) -> Request:
    said = entry["request"]
    method, url = str(said["method"]), str(said["url"]).removeprefix(f"{ctx.base_url}/")
    if urlsplit(url).scheme or not url:
        raise ValueError(url)
    headers = {header: str(said[name]) for name, header in _HEADERS.items() if name in said}
    return request("GET" if method == "HEAD" else method, url, headers, entry.get("resource"))


def is_head(entry: Json) -> bool:
    """Return whether `entry`, which was understood, asks for the answer to a GET without its body."""
    return str(entry["request"]["method"]) == "HEAD"


_HEADERS = {
    "ifMatch": "if-match",
    "ifNoneMatch": "if-none-match",
    "ifNoneExist": "if-none-exist",
    "ifModifiedSince": "if-modified-since",
}


def located(error: FhirError, position: int, at: str | None = None) -> FhirError:
    """Return `error` as seen from the Bundle: `Patient.name` becomes `Bundle.entry[3].resource.name`."""
    moved = type(error)(str(error), issues=[locate(issue, position, at) for issue in error.issues])
    moved.retry_after = error.retry_after
    return moved


def locate(issue: Issue, position: int, at: str | None = None) -> Issue:
    """Return `issue` with its expression as seen from the Bundle."""
    inside = (issue.expression or "").partition(".")[2] if issue.expression else ""
    where = at or f"Bundle.entry[{position}].resource"
    return issue._replace(expression=f"{where}.{inside}" if inside and not at else where)


async def batch(ctx: Context, entries: list[Json], dispatch: Dispatch) -> Answer:
    """Perform each entry on its own, some at the same moment; one that fails says so in its own response.

    Entries of a batch do not depend on each other, so that writes of one batch can share a group commit.
    """
    waiting = asyncio.Semaphore(TOGETHER)
    made = frozenset(full_url for entry in entries if (full_url := _made(entry)))
    dispatch = room.within(dispatch)

    async def alone(position: int, entry: Json) -> bytes:
        async with waiting:
            return await _alone(ctx, entry, position, dispatch, made)

    responses = await asyncio.gather(*(alone(position, entry) for position, entry in enumerate(entries)))
    return Answer(200, response_bundle("batch-response", responses))


def _made(entry: Any) -> str | None:
    """Return the fullUrl of an entry that creates a resource."""
    said = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(said, dict) or said.get("method") != "POST":
        return None
    full_url = entry.get("fullUrl")
    return full_url if isinstance(full_url, str) else None


async def _alone(ctx: Context, entry: Json, position: int, dispatch: Dispatch, made: frozenset[str]) -> bytes:
    interaction: Interaction | None = None
    try:
        interaction = read_entry(ctx, entry, position)
        _require_independent(entry, made)
        answer = await dispatch(ctx, interaction)
    except FhirError as error:
        return response(error.status, outcome=outcome(located(error, position).issues, ctx.language))
    if answer.issues:
        answer = replace(answer, issues=tuple(locate(issue, position) for issue in answer.issues))
    return answered(ctx, interaction, answer, head=is_head(entry))


def _require_independent(entry: Json, made: frozenset[str]) -> None:
    """Raise BadRequest when `entry` refers to one that the same batch creates.

    https://hl7.org/fhir/R4/http.html#brules
    """
    resource = entry.get("resource")
    link = next((each for each in links.references(resource) if each in made), None) if made else None
    if link is not None:
        raise BadRequest(
            f"'{link[:128]}' is created by another entry, and entries of a batch stand alone: send a transaction",
            f"'{link[:128]}' được tạo trong cùng batch, các mục không biết nhau: hãy gửi transaction",
        )


def answered(ctx: Context, interaction: Interaction, answer: Answer, *, head: bool = False) -> bytes:
    """Return the response entry for `answer`: with the resource, or what was found in it, when that was asked for."""
    written = isinstance(interaction, Stores)
    body = answer.body if not head and (not written or ctx.prefer == "representation") else None
    told = written and answer.issues and ctx.prefer == "OperationOutcome"
    return response(
        answer.status,
        body=body,
        location=answer.location,
        version=answer.version,
        modified=instant(answer.last_modified) if answer.last_modified else None,
        outcome=outcome(answer.issues, ctx.language) if told else None,
    )


_PHRASES = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}


def response(
    status: int,
    body: bytes | None = None,
    location: str | None = None,
    version: int | None = None,
    modified: str | None = None,
    outcome: Json | None = None,
) -> bytes:
    """Return one entry of a batch-response or transaction-response."""
    said: Json = {"status": f"{status} {_PHRASES.get(status, '')}".strip()}
    if location:
        said["location"] = location
    if version:
        said["etag"] = f'W/"{version}"'
    if modified:
        said["lastModified"] = modified
    if outcome:
        said["outcome"] = outcome
    entry: Json = {"resource": orjson.Fragment(body)} if body else {}
    return orjson.dumps({**entry, "response": said})


def response_bundle(type: str, entries: Iterable[bytes]) -> bytes:
    """Splice response entries into a Bundle."""
    return b'{"resourceType":"Bundle","type":"%b","entry":[%b]}' % (type.encode(), b",".join(entries))
