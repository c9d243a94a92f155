"""Is it alive, is it ready: for supervisors and load balancers.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from fhir_server.outcome import FhirError

router = APIRouter(prefix="/health")
PATIENCE = 2  # seconds; whoever asks wants to know now where to send the next request


@router.get("/live")
async def live() -> dict[str, str]:
    """Answer 200 while the process runs."""
    return {"status": "alive"}


@router.get("/ready")
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
