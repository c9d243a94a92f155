"""Is it alive, is it ready: for supervisors and load balancers.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fhir_server.outcome import FhirError

PATIENCE = 2  # seconds; whoever asks wants to know now where to send the next request


async def live(request: Request) -> JSONResponse:
    """Answer 200 while the process runs."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> JSONResponse:
    """Answer 200 when the database answers, else 503."""
    server = getattr(request.app.state, "server", None)
    try:
        if server is not None:
            async with asyncio.timeout(PATIENCE):
                await server.store.ping()
            return JSONResponse({"status": "ready"})
    except (FhirError, TimeoutError):
        pass
    return JSONResponse({"status": "not ready"}, status_code=503, headers={"retry-after": "2"})


ROUTES = (Route("/health/live", live), Route("/health/ready", ready))
