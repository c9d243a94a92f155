"""What applications may expect of this server beyond FHIR: the SMART configuration, below the FHIR base.

https://hl7.org/fhir/smart-app-launch/conformance.html
https://spec.smarthealth.cards/#healthwallet-requests-health-cards
"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from fhir_server.web.app import CONFIGURATION

router = APIRouter()


@router.get(CONFIGURATION)
async def configuration() -> JSONResponse:
    """Answer that health cards are issued; nothing is authorised yet, so no endpoint for that is named."""
    return JSONResponse({"capabilities": ["health-cards"]}, headers={"cache-control": "public, max-age=3600"})
