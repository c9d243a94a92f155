"""What is written down about every interaction: who did what, when, with which result; never whose data.

https://hl7.org/fhir/R4/auditevent.html — resources of that type come with authorisation; until then a log line.
"""

import logging

log = logging.getLogger("fhir_server.audit")


def record(interaction: str, type: str | None, status: int, milliseconds: float) -> None:
    """Write one line: the kind of interaction, the resource type, the status, the time. No ids, no parameters."""
    log.info("%s %s %d %.1fms", interaction, type or "-", status, milliseconds)
