"""Reference search: local and absolute literal references, logical ones by `:identifier`, canonical URLs.

https://hl7.org/fhir/R4/search.html#reference
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from fhir_server.search.entries import PRESENT, Span
from fhir_server.search.types import token, uri
from fhir_server.search.types.token import Token
from fhir_server.search.types.uri import Uri
from fhir_server.search.values import Context, Invalid, Reader, unescape

Json = dict[str, Any]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
FEW = 8
_LITERAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")


class Local(NamedTuple):
    """A resource of this server."""

    type: str | None  # None: of any type
    id: str
    url: str | None = None  # as the client wrote it, when absolute


class ByIdentifier(NamedTuple):
    """A reference that holds an identifier instead of a URL."""

    identifier: Token


Reference = Local | Uri | ByIdentifier


def parse(text: str, modifier: str | None, context: Context) -> Reference:
    """Read `id`, `Type/id`, a URL or, with `:identifier`, a token; raise Invalid otherwise.

    `modifier`: None, "identifier" or the resource type that the reference must point at.
    """
    if modifier == "identifier":
        return ByIdentifier(token.parse(text))
    wanted = unescape(text)
    local = _local(wanted, context)
    if local is None and ID.fullmatch(wanted):
        return Local(modifier, wanted)
    if modifier is not None and (local is None or local.type != modifier):
        raise Invalid(
            f"'{text[:100]}' is no reference to a {modifier}: write its id or {modifier}/id",
            f"'{text[:100]}' không phải tham chiếu tới {modifier}: hãy viết id hoặc {modifier}/id",
        )
    if local is not None:
        return local
    if ":" not in wanted or "/_history/" in wanted:
        raise Invalid(
            f"'{text[:100]}' is no reference: write an id, Type/id (without version) or an absolute URL",
            f"'{text[:100]}' không phải tham chiếu: hãy viết id, Loại/id (không kèm phiên bản) hoặc URL đầy đủ",
        )
    return uri.parse(text, canonical=True)


def _local(text: str, context: Context) -> Local | None:
    own = text.startswith(context.base_url + "/")
    found = _LITERAL.fullmatch(text.removeprefix(context.base_url + "/"))
    if found is None or found.group(3) or found.group(1) not in context.resource_types:
        return None
    return Local(found.group(1), found.group(2), text if own else None)


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a reference parameter cannot speak of that type."""
    own, types = context.base_url + "/", context.resource_types

    def literal(text: str) -> str:
        found = _LITERAL.fullmatch(text.removeprefix(own))
        if found is not None and found.group(1) in types:
            return f"|{found.group(2)}|{found.group(1)}"
        return uri.rest(text, "")

    def reference(value: Json) -> Iterable[str]:
        found = [literal(value["reference"])] if value.get("reference") else []
        identifier = value.get("identifier")
        if identifier and identifier.get("value"):
            found.append(":identifier" + token.rest(identifier.get("system", ""), identifier["value"], context))
            if len(found) == 1:
                found.append(PRESENT)
        return found

    if fhir_type == "Reference":
        return reference
    if fhir_type in {"canonical", "uri", "url"}:
        return lambda value: (uri.canonical_rest(value),)
    if fhir_type in {"Resource", *types}:
        # The first resource of a document or message Bundle stands where a reference would: Bundle.composition.
        return lambda value: (f"|{value['id']}|{value['resourceType']}",) if "id" in value else ()
    return None


def match(wanted: Reference, context: Context, targets: tuple[str, ...] = ()) -> list[Span]:
    """Return the spans of entries that `wanted` describes; `targets`: the types that the reference can point at.

    Where these are few, an id alone has few places in the index, in each of which results lie newest first.
    """
    match wanted:
        case ByIdentifier(identifier):
            return [_moved(span) for span in token.match(identifier, context, {})]
        case Local(None, id) if 0 < len(targets) <= FEW:
            return [Span(f"|{id}|{type}") for type in targets]
        case Local(None, id):
            return [Span.prefix(f"|{id}|")]
        case Local(type, id, url):
            return [Span(f"|{id}|{type}"), *(uri.match(Uri(url)) if url else [])]
        case Uri():
            return uri.match(wanted)


def _moved(span: Span) -> Span:
    high = None if span.high is None else f":identifier{span.high}"
    return Span(f":identifier{span.low}", high, None if span.pattern is None else f":identifier(?:{span.pattern})")
