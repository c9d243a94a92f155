"""What the server knows of FHIR at one moment: definitions, and the validator and the indexer made from them.

https://hl7.org/fhir/R4/conformance-module.html

    R4's facts · packages that ship ──┐
    settings.packages ────────────────┤──► Knowledge ──► swapped whole while the server runs (`live`)
    resources stored by users ────────┘

A `Knowledge` never changes; every request works with one, from its beginning to its end.
"""

from fhir_server.knowledge import reindex
from fhir_server.knowledge.built import WATCHED, Knowledge, Sources, packaged, sources_of
from fhir_server.knowledge.live import Live
from fhir_server.knowledge.stored import PACKAGE, package_of

__all__ = ["PACKAGE", "WATCHED", "Knowledge", "Live", "Sources", "package_of", "packaged", "reindex", "sources_of"]
