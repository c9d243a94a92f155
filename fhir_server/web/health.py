"""Is it alive, is it ready: for supervisors and load balancers.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from fhir_server.outcome import FhirError

router = APIRouter(prefix="/health")


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
            await server.store.ping()
            return JSONResponse({"status": "ready"})
    except FhirError:
        pass
    return JSONResponse({"status": "not ready"}, status_code=503, headers={"retry-after": "2"})
