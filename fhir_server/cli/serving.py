"""`fhir-server serve`: settings, an embedded database when asked for, the application, its processes."""

import asyncio
import gc
import ipaddress
import json
import logging
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from fhir_server.cli import shipping
from fhir_server.cli.configuring import configured
from fhir_server.cli.ending import console, stop
from fhir_server.definitions.package import NotAPackage
from fhir_server.interactions import indexing
from fhir_server.outcome import FhirError, Unavailable
from fhir_server.server import Context, Server, start
from fhir_server.settings import Settings
from fhir_server.store import BadAddress, NotReplicaSet
from fhir_server.store.embedded import EmbeddedMongo
from fhir_server.store.mongod import EmbeddedUnavailable
from fhir_server.web.app import Application
from fhir_server.web.fhir import context
from signing import development
from signing.refusal import Refused

log = logging.getLogger("fhir_server")
UNABLE = (BadAddress, NotReplicaSet, NotAPackage, Refused, FhirError, OSError)  # why a server does not start
_SECRET = re.compile(r"((?:password|authMechanismProperties)=)[^&]*", re.IGNORECASE)  # options of MongoDB's addresses


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (default 8080).")] = None,
    mongodb_uri: Annotated[str | None, typer.Option(help="MongoDB replica set to connect to.")] = None,
    embedded: Annotated[
        Path | None, typer.Option(help="Start a MongoDB of its own and keep its data in this folder.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes (default 1).")] = None,
    base_url: Annotated[str | None, typer.Option(help="Public URL of the FHIR endpoint, behind a proxy.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder of the signing keys and certificates.")] = None,
    demo: Annotated[bool | None, typer.Option("--demo", help="Load the examples into an empty database.")] = None,
    insecure_open: Annotated[
        bool | None,
        typer.Option("--insecure-open", help="Listen beyond this machine although nothing is authorised yet."),
    ] = None,
) -> None:
    """Serve FHIR below /fhir and certificates below /certificates.

    Every option is also a setting of the environment: FHIR_PORT, FHIR_MONGODB_URI, … (docs/settings.md).
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = configured(given)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    refuse_exposure(settings)
    if settings.embedded is not None:
        _serve_embedded(settings, settings.embedded)
    elif settings.mongodb_uri is not None:
        run(settings, settings.mongodb_uri)
    else:
        stop(
            "Where shall the data be kept? Give --mongodb-uri mongodb://host/?replicaSet=rs0, "
            "or --embedded FOLDER for a MongoDB that starts and stops with the server."
        )


def refuse_exposure(settings: Settings) -> None:
    """Stop when the server would listen beyond this machine without having been told that this is meant."""
    if settings.insecure_open:
        console.print("This server is open: whoever reaches it reads and changes everything.", style="yellow")
    elif not _loopback(settings.host):
        stop(
            f"{settings.host} is reachable from other machines, and nothing is authorised yet. "
            "Listen on 127.0.0.1, or give --insecure-open when something else guards this address."
        )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _serve_embedded(settings: Settings, folder: Path) -> None:
    """Start a MongoDB in `folder`, development keys beside it, and serve until told to stop."""
    with ExitStack() as stack:
        try:
            keys = settings.keys or _development_keys(folder / "keys")
            mongo = stack.enter_context(EmbeddedMongo(folder / "mongodb"))
        except (EmbeddedUnavailable, Refused, OSError) as error:
            stop(str(error))
        run(settings.model_copy(update={"keys": keys}), mongo.uri)


def _development_keys(folder: Path) -> Path:
    """Return `folder` with a key in it, made when there is no such folder."""
    if not folder.exists():
        development.generate(folder, datetime.now(UTC))
        console.print(f"Made development signing keys in {folder}: nobody else trusts them.", style="yellow")
    return folder


def run(settings: Settings, mongodb_uri: str) -> None:
    """Serve with one process, or several that share the listening socket."""
    with _listener(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port, "mongodb_uri": mongodb_uri})
        options: dict[str, Any] = {
            "log_config": None,
            "access_log": False,  # a URL can hold an identifier: the audit log has what may be written down
            "server_header": False,
            "timeout_graceful_shutdown": 20,
            # A worker that has no processor for some seconds is not dead: killing it would cost what it is answering.
            "timeout_worker_healthcheck": 60,
        }
        if settings.workers == 1:
            _serve_alone(settings, mongodb_uri, listener, options)
        else:
            _rehearse(settings, mongodb_uri)
            announce(settings, mongodb_uri)
            os.environ["FHIR_SERVER_SETTINGS"] = settings.model_dump_json(
                exclude={"keys_passphrase", "keys_pin"}
            )  # those stay in theirs
            config = uvicorn.Config("fhir_server.cli.serving:worker", factory=True, workers=settings.workers, **options)
            Multiprocess(config, [listener]).run()


def _serve_alone(settings: Settings, mongodb_uri: str, listener: socket.socket, options: dict[str, Any]) -> None:
    """Serve with this process; stop with the reason when no server can start with these settings."""
    ready: list[Server] = []

    async def started() -> Server:
        return ready.pop()

    class Alone(uvicorn.Server):
        async def serve(self, sockets: list[socket.socket] | None = None) -> None:
            ready.append(await _able(settings, mongodb_uri))
            announce(settings, mongodb_uri)
            await super().serve(sockets)

    Alone(uvicorn.Config(application(settings, started), **options)).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """Return the socket that listens; stop when the address is taken or not ours."""
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=2048)
    except OSError as error:
        stop(f"Cannot listen on {host}, port {port} ({error.strerror}): choose another --port or --host")
    # asyncio does this itself only for sockets whose protocol is named, and these are inherited: without it every
    # answer waits 40 ms for the client's acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _rehearse(settings: Settings, mongodb_uri: str) -> None:
    """Stop with the reason when no server can start with these settings, before any process tries to."""

    async def once() -> None:
        await (await _able(settings, mongodb_uri)).close()

    asyncio.run(once())


async def _able(settings: Settings, mongodb_uri: str) -> Server:
    """Return a server that is ready; stop with the reason when there can be none."""
    try:
        return await _start(settings, mongodb_uri)
    except Unavailable:
        stop(f"No MongoDB answers at {_public(mongodb_uri)}: start it, or name another one with --mongodb-uri")
    except UNABLE as error:
        stop(str(error))


async def _start(settings: Settings, mongodb_uri: str) -> Server:
    """Start without looking for garbage: what is made now stays."""
    gc.disable()
    try:
        return await start(settings, mongodb_uri)
    finally:
        gc.enable()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def announce(settings: Settings, mongodb_uri: str) -> None:
    """Print the addresses that a person needs."""
    address = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
    for name, value in {
        "FHIR": f"{address}/fhir",
        "Capabilities": f"{address}/fhir/metadata",
        "Certificates": f"{address}/certificates/trust-list",
        "Health": f"{address}/health/ready",
        "MongoDB": _public(mongodb_uri),
    }.items():
        console.print(f"{name:13} {value}", markup=False, highlight=False)
    public = settings.base_url or settings.insecure_open
    if settings.keys and public and settings.issuer_url == Settings.model_fields["issuer_url"].default:
        console.print(
            f"SMART Health Cards will name {settings.issuer_url}, where nobody finds their keys: set FHIR_ISSUER_URL.",
            style="yellow",
        )


def _public(mongodb_uri: str) -> str:
    """Return the address without user and password, also those that stand among its options."""
    return _SECRET.sub(r"\1…", mongodb_uri.rpartition("@")[2])


def worker() -> Application:
    """Return the application of one of several processes."""
    settings = Settings(**json.loads(os.environ["FHIR_SERVER_SETTINGS"]))
    logging.basicConfig(level=settings.log_level.upper(), stream=sys.stderr)
    return application(settings.model_copy(update={"demo": False}))


async def _demonstrate(server: Server, mongodb_uri: str) -> None:
    from fhir_server.cli import demonstration  # with all that invents people: only where it is asked for

    await demonstration.load(server)
    announce(server.settings, mongodb_uri)  # again: the log of loading has pushed it out of sight


async def _go_on_with_jobs(own: Callable[[], Context]) -> None:
    issue_due = await asyncio.to_thread(import_module, "fhir_server.operations.issue_due")  # not before it is ready
    await issue_due.follow(own)


def application(settings: Settings, started: Callable[[], Awaitable[Server]] | None = None) -> Application:
    """Return the application; its server, which `started` gives when there is one already, ends with it."""
    assert settings.mongodb_uri is not None
    uri = settings.mongodb_uri
    start_one = started or partial(_start, settings, uri)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Server]:
        server = await start_one()
        gc.freeze()  # modules and definitions stay: who looks for garbage among them keeps requests waiting
        if settings.store_packages:
            await shipping.store(server)
        for follow in (indexing.follow, _go_on_with_jobs):
            server.background.begin(follow(lambda: context(server, "", {}).afterwards()))
        if settings.demo:
            server.background.begin(_demonstrate(server, uri))
        try:
            yield server
        finally:
            await server.close()

    return Application(settings, opened)
