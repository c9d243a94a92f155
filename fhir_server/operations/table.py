"""The operations: one row each; routes, CapabilityStatement and documentation come from here.

https://hl7.org/fhir/R4/operations.html

What performs an operation is imported when it is first called: a server is ready before it can draw a PDF.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, cast

from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call
from fhir_server.server import Context

CORE = "http://hl7.org/fhir/OperationDefinition"
OWN = "https://fhir.tiemchung.vn/OperationDefinition"
Level = Literal["system", "type", "instance"]
Handler = Callable[[Context, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by name: where it can be called and what performs it."""

    definition: str  # canonical URL of the OperationDefinition; "{type}": each type has one of its own
    levels: tuple[Level, ...]  # (): not by $name, only as a service of its own
    handler: str  # module and function of this package: "meta.add"
    types: tuple[str, ...] = ()  # (): every type
    methods: tuple[str, ...] = ("POST",)

    async def perform(self, ctx: Context, call: Call) -> Answer:
        """Return the answer of the handler."""
        module, _, function = f"{__package__}.{self.handler}".rpartition(".")
        if module not in sys.modules:  # in a thread: requests under way need not wait for it
            await asyncio.to_thread(import_module, module)
        handler = cast(Handler, getattr(import_module(module), function))
        return await handler(ctx, call)


OPERATIONS = {
    "validate": Operation(
        f"{CORE}/Resource-validate",
        ("system", "type", "instance"),
        "validate.validate",
        methods=("GET", "POST"),
    ),
    "meta": Operation(f"{CORE}/Resource-meta", ("instance",), "meta.meta", methods=("GET", "POST")),
    "meta-add": Operation(f"{CORE}/Resource-meta-add", ("instance",), "meta.add"),
    "meta-delete": Operation(f"{CORE}/Resource-meta-delete", ("instance",), "meta.delete"),
    "everything": Operation(
        f"{CORE}/Patient-everything",
        ("instance",),
        "everything.everything",
        types=("Patient",),
        methods=("GET", "POST"),
    ),
    "lookup": Operation(
        f"{CORE}/CodeSystem-lookup",
        ("type",),
        "terminology.lookup.lookup",
        types=("CodeSystem",),
        methods=("GET", "POST"),
    ),
    "validate-code": Operation(
        f"{CORE}/{{type}}-validate-code",
        ("type", "instance"),
        "terminology.validate_code.validate_code",
        types=("CodeSystem", "ValueSet"),
        methods=("GET", "POST"),
    ),
    "subsumes": Operation(
        f"{CORE}/CodeSystem-subsumes",
        ("type", "instance"),
        "terminology.subsumes.subsumes",
        types=("CodeSystem",),
        methods=("GET", "POST"),
    ),
    "expand": Operation(
        f"{CORE}/ValueSet-expand",
        ("type", "instance"),
        "terminology.expand.expand",
        types=("ValueSet",),
        methods=("GET", "POST"),
    ),
    "translate": Operation(
        f"{CORE}/ConceptMap-translate",
        ("type", "instance"),
        "terminology.translate.translate",
        types=("ConceptMap",),
        methods=("GET", "POST"),
    ),
    "closure": Operation(f"{CORE}/ConceptMap-closure", ("system",), "terminology.closure.closure"),
    "snapshot": Operation(
        f"{CORE}/StructureDefinition-snapshot",
        ("type", "instance"),
        "snapshot.snapshot",
        types=("StructureDefinition",),
        methods=("GET", "POST"),
    ),
    "issue-certificate": Operation(
        f"{OWN}/Patient-issue-certificate", ("instance",), "issue_certificate.issue", types=("Patient",)
    ),
    "health-cards-issue": Operation(
        "https://spec.smarthealth.cards/OperationDefinition/patient-i-health-cards-issue",
        ("instance",),
        "health_cards.issue",
        types=("Patient",),
    ),
    "certificates": Operation(
        f"{OWN}/Patient-certificates",
        ("instance",),
        "certificate_register.of_person",
        types=("Patient",),
        methods=("GET", "POST"),
    ),
    "revoke-certificates": Operation(f"{OWN}/revoke-certificates", ("system",), "certificate_register.revoke"),
    "issue-due-certificates": Operation(f"{OWN}/issue-due-certificates", ("system",), "issue_due.issue_due"),
    "job-status": Operation(f"{OWN}/job-status", ("system",), "issue_due.status", methods=("GET", "POST")),
    "signing-input": Operation(
        f"{OWN}/Immunization-signing-input",
        ("instance",),
        "sign_doses.signing_input",
        types=("Immunization",),
        methods=("GET", "POST"),
    ),
    "verify-dose": Operation(
        f"{OWN}/Immunization-verify-dose", ("instance",), "sign_doses.verify", types=("Immunization",)
    ),
    "sign-dose": Operation(f"{OWN}/Immunization-sign-dose", ("instance",), "sign_doses.sign", types=("Immunization",)),
    "sign-doses": Operation(
        f"{OWN}/Immunization-sign-doses", ("type",), "sign_doses.sign_many", types=("Immunization",)
    ),
    "dose-status": Operation(
        f"{OWN}/Immunization-dose-status",
        ("instance",),
        "sign_doses.status",
        types=("Immunization",),
        methods=("GET", "POST"),
    ),
    "signing-report": Operation(
        f"{OWN}/Immunization-signing-report",
        ("type",),
        "sign_doses.report",
        types=("Immunization",),
        methods=("GET", "POST"),
    ),
    "immunization-status": Operation(
        f"{OWN}/Patient-immunization-status",
        ("type",),
        "immunization_status.status",
        types=("Patient",),
        methods=("GET", "POST"),
    ),
    "package-add": Operation(f"{OWN}/package-add", ("system",), "packages.add"),
    "package-list": Operation(f"{OWN}/package-list", ("system",), "packages.listed", methods=("GET",)),
    "package-remove": Operation(f"{OWN}/package-remove", ("system",), "packages.remove"),
    "reindex": Operation(f"{OWN}/reindex", ("system",), "reindex.progress", methods=("GET",)),
    "reindex-start": Operation(f"{OWN}/reindex-start", ("system",), "reindex.start"),
    "certificate-verify": Operation("", (), "certificates.verify"),
    "certificate-picture": Operation("", (), "certificates.picture"),
    "certificate-paper": Operation("", (), "certificate_paper.pdf"),
    "certificate-status": Operation("", (), "certificate_register.told"),
    "certificate-trust-list": Operation("", (), "certificates.trust_list"),
    "certificate-publication": Operation("", (), "publication.publish"),
}
