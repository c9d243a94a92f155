"""What is neither FHIR nor health: certificates, the verifier page, the SMART configuration.

https://fastapi.tiangolo.com/tutorial/bigger-applications/
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import State
from starlette.exceptions import HTTPException

from fhir_server.web import certificates, smart, verifier


def pages(state: State, nothing_there: Callable[[Request, Exception], Awaitable[Response]]) -> FastAPI:
    """Return the application; it shares `state` (settings, server) with its caller."""
    found = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    found.add_exception_handler(HTTPException, nothing_there)
    for each in (certificates, smart, verifier):
        found.include_router(each.router)
    found.state = state
    return found
