"""The operations: one row each; routes, CapabilityStatement and documentation come from here.

https://hl7.org/fhir/R4/operations.html
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fhir_server.interactions.answer import Answer
from fhir_server.operations import certificates, everything, immunization_status, meta, validate
from fhir_server.operations.call import Call
from fhir_server.server import Context

CORE = "http://hl7.org/fhir/OperationDefinition"
OWN = "https://fhir.tiemchung.vn/OperationDefinition"
Level = Literal["system", "type", "instance"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by name: where it can be called and what performs it."""

    definition: str  # canonical URL of the OperationDefinition
    levels: tuple[Level, ...]  # (): not by $name, only as a service of its own
    handler: Callable[[Context, Call], Awaitable[Answer]]
    types: tuple[str, ...] = ()  # (): every type
    methods: tuple[str, ...] = ("POST",)


OPERATIONS = {
    "validate": Operation(
        f"{CORE}/Resource-validate",
        ("system", "type", "instance"),
        validate.validate,
        methods=("GET", "POST"),
    ),
    "meta": Operation(f"{CORE}/Resource-meta", ("instance",), meta.meta, methods=("GET", "POST")),
    "meta-add": Operation(f"{CORE}/Resource-meta-add", ("instance",), meta.add),
    "meta-delete": Operation(f"{CORE}/Resource-meta-delete", ("instance",), meta.delete),
    "everything": Operation(
        f"{CORE}/Patient-everything",
        ("instance",),
        everything.everything,
        types=("Patient",),
        methods=("GET", "POST"),
    ),
    "issue-certificate": Operation(
        f"{OWN}/Patient-issue-certificate", ("instance",), certificates.issue, types=("Patient",)
    ),
    "immunization-status": Operation(
        f"{OWN}/Patient-immunization-status",
        ("type",),
        immunization_status.status,
        types=("Patient",),
        methods=("GET", "POST"),
    ),
    "certificate-verify": Operation("", (), certificates.verify),
    "certificate-picture": Operation("", (), certificates.picture),
    "certificate-trust-list": Operation("", (), certificates.trust_list),
}
