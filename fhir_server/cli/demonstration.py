"""The example data in an empty database, put there through the corridor like everything else."""

import logging
from datetime import date

from examples.generate import bundles
from fhir_server.outcome import FhirError
from fhir_server.rest.dispatch import dispatch
from fhir_server.rest.interaction import Bundle
from fhir_server.server import Server
from fhir_server.web.fhir import context

PEOPLE, SEED, TODAY = 200, 2026, date(2026, 11, 1)  # the set in examples/data

log = logging.getLogger("fhir_server.demonstration")


async def load(server: Server) -> None:
    """Store the examples, unless people are recorded already; what fails is logged and the rest goes on."""
    if await server.store.count("Patient", {}, limit=1):
        log.info("people are recorded already: the examples are not loaded")
        return
    failures = 0
    for bundle in bundles(PEOPLE, SEED, TODAY):
        try:
            await dispatch(context(server, "", {}), Bundle(bundle))
        except FhirError as error:
            failures += 1
            log.error("an example is not stored: %s", "; ".join(issue.en for issue in error.issues[:3]))
    log.info("the examples are loaded, %d Bundles failed", failures)
