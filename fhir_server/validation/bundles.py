"""Bundles: what the entries say of each other, beyond the constraints bdl-1 to bdl-12.

https://hl7.org/fhir/R4/bundle.html · https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from fhir_server.validation.primitives import UUID
from fhir_server.validation.report import Path, Walk, below, shown

Json = dict[str, Any]

ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
RESTFUL: Final = re.compile(
    r"(?P<base>https?://\S*?/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>\S+))?"
).fullmatch
ONCE: Final = frozenset({"self", "first", "last", "previous", "prev", "next"})


def entries(bundle: Json) -> Iterator[tuple[int, Json]]:
    """Yield the entries of `bundle` that are objects, with their positions."""
    found = bundle.get("entry")
    for index, entry in enumerate(found if type(found) is list else ()):
        if type(entry) is dict:
            yield index, entry


def targets(bundle: Json) -> dict[str, Json]:
    """Return what references within `bundle` lead to: by fullUrl, and by Type/id where the fullUrl says as much."""
    found: dict[str, Json] = {}
    for _, entry in entries(bundle):
        resource, url = entry.get("resource"), entry.get("fullUrl")
        if type(resource) is not dict:
            continue
        if type(url) is str:
            found.setdefault(url, resource)
            match = RESTFUL(url)
            if match is not None:
                found.setdefault(f"{match['type']}/{match['id']}", resource)
        elif type(resource.get("id")) is str:
            found.setdefault(f"{resource.get('resourceType')}/{resource['id']}", resource)
    return found


def check(bundle: Json, path: Path, walk: Walk) -> None:
    """Check full URLs, links, the first entry's references and what each type of Bundle asks of its entries."""
    kind = bundle.get("type")
    _links(bundle, path, walk)
    for index, entry in entries(bundle):
        at = below(path, "entry", index)
        resource = entry.get("resource")
        if type(entry.get("fullUrl")) is str:
            _full_url(entry["fullUrl"], resource, at, kind, walk)
        elif kind in ("document", "message") and type(resource) is dict:
            walk.error(
                "required",
                below(at, "fullUrl"),
                "Bundle.entry.fullUrl:min",
                f"An entry of a {kind} has a fullUrl, by which others refer to it: add one, such as urn:uuid:…",
                f"Mục trong Bundle kiểu {kind} phải có fullUrl để được tham chiếu: hãy thêm, ví dụ urn:uuid:…",
            )
        if kind == "searchset" and type(resource) is dict and resource.keys().isdisjoint(("id", "issue")):
            _no_id(at, walk)
    if kind in ("document", "message"):
        _closed(bundle, path, kind, walk)


def _links(bundle: Json, path: Path, walk: Walk) -> None:
    seen: set[str] = set()
    links = bundle.get("link")
    for index, link in enumerate(links if type(links) is list else ()):
        relation = link.get("relation") if type(link) is dict else None
        if type(relation) is not str or relation not in ONCE:
            continue
        if relation in seen:
            walk.error(
                "duplicate",
                below(path, "link", index),
                "Bundle.link:once",
                f"There are two links '{relation}': a Bundle has one of each kind",
                f"Có hai liên kết '{relation}': mỗi loại chỉ được có một",
            )
        seen.add(relation)


def _full_url(url: str, resource: Any, at: Path, kind: Any, walk: Walk) -> None:
    place = below(at, "fullUrl")
    if not ABSOLUTE(url):
        walk.error(
            "value",
            place,
            "Bundle.entry.fullUrl:absolute",
            f"'{shown(url)}' is not an absolute URL: write http(s)://…/Type/id or urn:uuid:…",
            f"'{shown(url)}' không phải URL tuyệt đối: hãy ghi http(s)://…/Loại/id hoặc urn:uuid:…",
        )
        return
    if url.startswith("urn:uuid:") and not UUID(url):
        walk.error(
            "value",
            place,
            "Bundle.entry.fullUrl:uuid",
            f"'{shown(url)}' is not a UUID in lower case, such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            f"'{shown(url)}' không phải UUID chữ thường, ví dụ urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        )
        return
    match = RESTFUL(url)
    id = resource.get("id") if type(resource) is dict else None
    if match is None or kind in ("batch", "transaction", "batch-response", "transaction-response"):
        return
    if match["type"] != resource.get("resourceType") if type(resource) is dict else False:
        return
    if type(id) is str and match["id"] != id:
        walk.error(
            "value",
            place,
            "Bundle.entry.fullUrl:id",
            f"The fullUrl ends in {match['id']}, the resource's id is {shown(id)}: make them the same",
            f"fullUrl kết thúc bằng {match['id']} còn id của tài nguyên là {shown(id)}: hãy ghi giống nhau",
        )


def _no_id(at: Path, walk: Walk) -> None:
    walk.error(
        "required",
        below(below(at, "resource"), "id"),
        "Bundle.entry.resource:id",
        "What a search found has an id: add it",
        "Kết quả tìm kiếm phải có id: hãy bổ sung",
    )


# What a document or message must hold itself (https://hl7.org/fhir/R4/documents.html#content, messaging.html#bundle)
WITHIN: Final = {
    "Composition": ("subject", "encounter", "author", "attester", "custodian", "event", "section"),
    "MessageHeader": ("focus",),
}


def _closed(bundle: Json, path: Path, kind: str, walk: Walk) -> None:
    """Check that what the first entry of a document or message refers to is in it."""
    for index, entry in entries(bundle):
        first = entry.get("resource")
        if index > 0 or type(first) is not dict:
            return
        names = WITHIN.get(str(first.get("resourceType")), ())
        base = RESTFUL(str(entry.get("fullUrl")))
        at = below(below(path, "entry", 0), "resource")
        for name in names:
            for reference, place in _references(first.get(name), below(at, name)):
                if not _leads(reference, base, bundle, walk):
                    walk.error(
                        "not-found",
                        place,
                        f"Bundle:{kind}",
                        f"'{shown(reference)}' is not in the Bundle: a {kind} holds what its first entry refers to; "
                        "add it, or correct its fullUrl",
                        f"'{shown(reference)}' không có trong Bundle: Bundle kiểu {kind} phải chứa những gì mục đầu "
                        "tiên tham chiếu; hãy thêm vào hoặc sửa fullUrl",
                    )


def _leads(reference: str, base: "re.Match[str] | None", bundle: Json, walk: Walk) -> bool:
    if reference.startswith("#") or reference in walk.bundle:
        return True
    match = RESTFUL(reference)
    if match is None or (match["base"] and not match["version"]):
        return False
    prefix = match["base"] or (base["base"] if base is not None else None) or ""
    url = f"{prefix}{match['type']}/{match['id']}"
    return url in walk.bundle and (match["version"] is None or _has_version(url, match["version"], bundle))


def _has_version(url: str, version: str, bundle: Json) -> bool:
    """Return whether an entry at `url` may be that version: one whose resource does not tell its version may."""
    for _, entry in entries(bundle):
        resource = entry.get("resource")
        if entry.get("fullUrl") == url and type(resource) is dict:
            meta = resource.get("meta")
            if type(meta) is not dict or meta.get("versionId", version) == version:
                return True
    return False


def _references(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the literal references within `value`, those of its extensions left out."""
    if type(value) is list:
        for index, item in enumerate(value):
            yield from _references(item, (path[0], path[1], index, path[3]))
    elif type(value) is dict:
        if type(value.get("reference")) is str:
            yield value["reference"], path
        for name, child in value.items():
            if name not in ("extension", "modifierExtension", "text"):
                yield from _references(child, below(path, name))
