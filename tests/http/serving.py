"""A whole server for a test: real settings, real MongoDB, real HTTP on a port of this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from fhir_server.cli.serving import application
from fhir_server.settings import Settings
from fhir_server.web.app import Application

JSON = {"content-type": "application/fhir+json"}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "http://fhir.hl7.org.vn/core/sid/cccd", "value": "001225000012"}],
    "name": [{"text": "Nguyễn Minh An", "family": "Nguyễn", "given": ["Minh", "An"]}],
    "gender": "male",
    "birthDate": "2025-08-12",
}


def dose(patient: str, **changes: Any) -> dict[str, Any]:
    """Return a plain R4 Immunization of `patient`."""
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08"}]},
        "patient": {"reference": patient},
        "occurrenceDateTime": "2025-08-12T09:30:00+07:00",
        "lotNumber": "HB-2025-01",
        "doseQuantity": {"value": 1, "unit": "mL"},
        **changes,
    }


def bundle(type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {**({"resource": resource} if resource else {}), "request": {"method": method, "url": url}, **more}


@asynccontextmanager
async def serving(
    mongodb_uri: str, database: str, *, through: Callable[[Application], Any] = lambda app: app, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client whose base URL is the server's root; the server stops afterwards.

    `through` may put another ASGI application in front, such as a proxy that is busy now and then.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `fhir-server serve` does
    port = listener.getsockname()[1]
    settings = {"store_packages": False, **settings}  # a database begins empty
    app = through(application(Settings(mongodb_uri=mongodb_uri, database=database, port=port, **settings)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.01)
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await task
