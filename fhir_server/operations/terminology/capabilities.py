"""TerminologyCapabilities: what this server can do with code systems, value sets and concept maps.

https://hl7.org/fhir/R4/terminologycapabilities.html
"""

from typing import Any, Final

from fhir_server.operations.terminology.expand import KNOWN
from fhir_server.server import Context

Json = dict[str, Any]

SEARCH: Final = (
    "Every word of the filter must begin a word of the code, the display or a designation; case, accents, "
    "the bar of đ and punctuation do not count"
)


def terminology_capabilities(ctx: Context) -> Json:
    """Return the TerminologyCapabilities resource: the code systems that ship, and how the operations work."""
    return {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": ctx.now.date().isoformat(),
        "kind": "instance",
        "description": "Besides the code systems listed here, those stored as CodeSystem resources are known at once",
        "implementation": {"description": "Terminology service of the immunization server", "url": ctx.base_url},
        "lockedDate": False,
        "codeSystem": [{"uri": url} for url in ctx.server.vocabulary.urls("CodeSystem")],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in KNOWN if name not in {"context", "contextDirection"}],
            "textFilter": SEARCH,
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }
