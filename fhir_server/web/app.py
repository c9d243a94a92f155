"""The application: FHIR below /fhir, health, the pages beside them, and who may come in.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from fhir_server.outcome import Forbidden, NotFound, Unavailable
from fhir_server.server import Server
from fhir_server.settings import Settings
from fhir_server.web import fhir, health, negotiation
from fhir_server.web import origins as cross
from fhir_server.web.fhir import Receive, Scope, Send
from fhir_server.web.gate import Gate

BASE = "/fhir"
CONFIGURATION = f"{BASE}/.well-known/smart-configuration"  # a page, though below the base
OWN_HOSTS = {"localhost", "127.0.0.1", "::1"}
Opened = Callable[[], AbstractAsyncContextManager[Server]]


class Application:
    """The ASGI application; FHIR requests go straight to their handler."""

    def __init__(self, settings: Settings, opened: Opened):
        self.settings = settings
        self.server: Server | None = None
        self.gate = Gate(settings.large_bodies)
        self._front = Starlette(
            routes=health.ROUTES,
            exception_handlers={HTTPException: self._nothing_there},
            lifespan=self._lifespan(opened),
        )
        self._front.router.default = self._page
        self._front.state.settings = settings
        self._pages: asyncio.Future[ASGIApp] | None = None

    def _lifespan(self, opened: Opened) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def lifespan(front: Starlette) -> AsyncIterator[None]:
            async with opened() as server:
                self.server = front.state.server = server
                self._begin_pages()
                yield
            self.server = front.state.server = None

        return lifespan

    def _begin_pages(self) -> "asyncio.Future[ASGIApp]":
        """Return the pages to come: they are imported in a thread, for FHIR need not wait for them."""
        if self._pages is None:
            self._pages = asyncio.ensure_future(asyncio.to_thread(self._imported_pages))
        return self._pages

    def _imported_pages(self) -> ASGIApp:
        from fhir_server.web.pages import pages

        return pages(self._front.state, self._nothing_there)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await asyncio.shield(self._begin_pages())
        await answer(scope, receive, send)

    async def _nothing_there(self, request: Request, error: Exception) -> Response:
        """Answer an address outside of FHIR that does not exist, or not with this method: say which ones do."""
        missing = NotFound(
            f"There is nothing at {request.url.path[:128]}: FHIR is below {BASE} (begin with {BASE}/metadata)",
            f"Không có gì tại {request.url.path[:128]}: FHIR nằm dưới {BASE} (bắt đầu với {BASE}/metadata)",
        )
        language = negotiation.language(request.headers.get("accept-language", ""), self.settings.language)
        reply = fhir.refusal(missing, language)
        status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (404, None)
        return Response(reply.body, status, headers, fhir.MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one lifespan event."""
        if scope["type"] != "http":
            await self._front(scope, receive, send)
            return
        origin, origins = _header(scope, b"origin"), self.settings.cors_origins
        if origins:
            send = cross.telling(send, origin, origins)
        if not self._welcome(scope):
            error = Forbidden("This host name is not served here", "Máy chủ không phục vụ tên miền này")
            await fhir.send_reply(send, fhir.refusal(error, self.settings.language))
        elif scope["method"] == "OPTIONS":
            await fhir.send_reply(send, fhir.Reply(204, b"", cross.options(origin, origins)))
        elif (path := _below(BASE, scope)) is None or scope["path"] == CONFIGURATION:
            await self._front(scope, receive, send)
        elif self.server is None:
            await fhir.send_reply(send, fhir.refusal(Unavailable("Starting", "Đang khởi động"), self.settings.language))
        else:
            scope = {**scope, "fhir_path": path}
            await fhir.respond(self.server, base_url(self.settings, scope), scope, receive, send, self.gate)

    def _welcome(self, scope: Scope) -> bool:
        # A server that trusts its own machine must not be reached through a foreign name that resolves to it
        # (DNS rebinding): a web page elsewhere could otherwise read it through the visitor's browser.
        public = urlsplit(self.settings.base_url or "").hostname
        return self.settings.insecure_open or _host(scope) in {*OWN_HOSTS, public}


def _below(base: str, scope: Scope) -> str | None:
    """Return the still quoted path below `base`, or None when it is elsewhere."""
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    return path[len(base) :] if path == base or path.startswith(f"{base}/") else None


def _header(scope: Scope, name: bytes) -> str:
    found = next((value for key, value in scope["headers"] if key == name), b"")
    return str(found.decode("latin-1"))


def _host(scope: Scope) -> str:
    host = _header(scope, b"host")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def base_url(settings: Settings, scope: Scope) -> str:
    """Return the FHIR base URL: the one configured, else the one that the client used."""
    if settings.base_url:
        return settings.base_url.rstrip("/")
    return f"{scope['scheme']}://{_header(scope, b'host') or 'localhost'}{BASE}"
