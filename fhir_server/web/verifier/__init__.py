"""The verifier page: certificates checked in the browser, also without a network.

https://www.w3.org/TR/service-workers/ · https://www.w3.org/TR/appmanifest/

The page is made of plain files; its one library, a QR decoder, is put into `page/vendor` by scripts/build_verifier.
Everything is served from here and may load nothing from elsewhere.
"""

import asyncio
import gzip
import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from fhir_server.web import coding, negotiation
from signing import values

router = APIRouter(prefix="/verify")

HOME, WORKER = "index.html", "worker.js"
NAMES = "names.json"  # what the codes in a DCC mean
TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
}
# The decoder is WebAssembly; pictures and the camera are blobs of the page's own.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-cache",  # kept, but asked after: the service worker is what works without a network
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class File(NamedTuple):
    """A file of the page, as it is and as it travels to who unpacks it."""

    content: bytes
    packed: bytes
    tag: str
    media_type: str


@cache
def page() -> dict[str, File]:
    """Return the files of the page by path; the service worker knows the names of the others and their digest."""
    found = dict(_read(files(__package__) / "page", ""))
    found[NAMES] = json.dumps(values.displays(), ensure_ascii=False).encode()
    names = sorted(found.keys() - {HOME, WORKER})
    version = sha256(b"".join(found[name] for name in sorted(found))).hexdigest()[:16]
    worker = found[WORKER].decode().replace("VERSION", version).replace("FILE_LIST", json.dumps(names))
    served = {**found, WORKER: worker.encode(), "": found[HOME]}
    return {path: _file(path or HOME, content) for path, content in served.items()}


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _read(each, f"{path}{each.name}/")
        elif _suffix(each.name) in TYPES:
            yield path + each.name, each.read_bytes()


def _file(path: str, content: bytes) -> File:
    return File(content, gzip.compress(content, mtime=0), sha256(content).hexdigest()[:32], TYPES[_suffix(path)])


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


@router.get("", include_in_schema=False)
async def home(request: Request) -> Response:
    """Lead to the page: its parts are found beside an address that ends in a slash."""
    return RedirectResponse("verify/", 307)


@router.get("/{path:path}")
async def file(request: Request, path: str) -> Response:
    """Answer with a file of the page; an address that is none leads to 404."""
    files = await asyncio.to_thread(page)
    found = files.get(path)
    if found is None:
        raise HTTPException(404)
    headers = {**HEADERS, "etag": f'W/"{found.tag}"', "vary": "accept-encoding"}
    if negotiation.unchanged(request.headers.get("if-none-match", ""), found.tag):
        return Response(status_code=304, headers=headers)
    if coding.accepted(request.headers.get("accept-encoding", "")):
        return Response(found.packed, 200, {**headers, "content-encoding": "gzip"}, found.media_type)
    return Response(found.content, 200, headers, found.media_type)
