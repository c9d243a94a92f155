"""What is written down about every interaction: who did what, when, with which result; never whose data.

https://hl7.org/fhir/R4/auditevent.html — resources of that type come with authorisation; until then a log line.
"""

import logging
import traceback

from fhir_server.outcome import FhirError

log = logging.getLogger("fhir_server.audit")


def record(interaction: str, type: str | None, status: int, milliseconds: float) -> None:
    """Write one line: the kind of interaction, the resource type, the status, the time. No ids, no parameters."""
    log.info("%s %s %d %.1fms", interaction, type or "-", status, milliseconds)


def failure(error: Exception) -> FhirError:
    """Return `error` as the client may see it; what is no FhirError is a fault of the server, and written down."""
    if isinstance(error, FhirError):
        return error
    # Where, but not with what: the text of an error may quote a person's data.
    log.error("unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return FhirError("The server failed; its log says where", "Máy chủ gặp lỗi; nhật ký cho biết ở đâu")
