"""The CapabilityStatement: generated from the tables that the server itself works by, so that it cannot say more.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from dataclasses import replace
from datetime import date
from hashlib import blake2b
from importlib.metadata import version
from typing import Any
from weakref import WeakKeyDictionary

from fhir_server import wire
from fhir_server.interactions import read
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.read import Params
from fhir_server.operations.table import OPERATIONS
from fhir_server.operations.terminology.capabilities import terminology_capabilities
from fhir_server.outcome import BadRequest
from fhir_server.search import matching
from fhir_server.search.parameters import Catalogue, Parameter, searchable
from fhir_server.search.query import DEFAULT_COUNT, MAX_COUNT
from fhir_server.server import Context
from fhir_server.settings import Check, Settings

Json = dict[str, Any]

INTERACTIONS = (
    *("read", "vread", "update", "patch", "delete"),
    *("history-instance", "history-type", "create", "search-type"),
)
SYSTEM = ("batch", "transaction", "history-system", "search-system")
SOFTWARE = "fhir-immunization-server"
MOST = 64  # statements kept
_kept: WeakKeyDictionary[Catalogue, dict[tuple[str, Settings, str, date], bytes]] = WeakKeyDictionary()
MODES = ("full", "normative", "terminology")
# https://hl7.org/fhir/R4/resourcelist.html: maturity level N
NORMATIVE = frozenset(
    {
        *("Binary", "Bundle", "CapabilityStatement", "CodeSystem", "Observation", "OperationDefinition"),
        *("OperationOutcome", "Parameters", "Patient", "StructureDefinition", "ValueSet"),
    }
)


def statement(ctx: Context, mode: str = "full", shape: Params = ()) -> Answer:
    """Answer with the CapabilityStatement of this server, or with its TerminologyCapabilities.

    https://hl7.org/fhir/R4/http.html#capabilities; raise BadRequest when the mode is unknown.
    """
    server = ctx.server
    if mode not in MODES:
        raise BadRequest(
            f"mode '{mode[:64]}' is none of {', '.join(MODES)}", f"mode '{mode[:64]}' không thuộc {', '.join(MODES)}"
        )
    if mode == "terminology":
        type, body = "TerminologyCapabilities", wire.dumps(terminology_capabilities(ctx))
    else:
        type = "CapabilityStatement"
        body = _written(mode, server.indexer.catalogue, server.settings, ctx.base_url, ctx.now.date())
    answer = read.shaped(ctx, type, Answer(200, body, cache="max-age=300"), shape)
    return replace(answer, tag=blake2b(answer.body or b"", digest_size=8).hexdigest())


def _written(mode: str, catalogue: Catalogue, settings: Settings, base_url: str, today: date) -> bytes:
    """Return the statement as JSON; the latest are kept as long as what they tell of is in force."""
    kept = _kept.setdefault(catalogue, {})
    key = mode, settings, base_url, today  # the base URL is what the client called the server
    if key not in kept:
        while len(kept) >= MOST:
            kept.pop(next(iter(kept)))
        kept[key] = _statement(mode, catalogue, settings, base_url, today)
    return kept[key]


def _statement(mode: str, catalogue: Catalogue, settings: Settings, base_url: str, today: date) -> bytes:
    whole = capabilities(catalogue, settings, base_url, today)
    return wire.dumps(normative(whole) if mode == "normative" else whole)


def normative(statement: Json) -> Json:
    """Return the part of `statement` that speaks of what R4 holds normative: its types, without trial-use abilities."""
    [rest] = statement["rest"]
    resources = [
        {name: value for name, value in row.items() if not name.startswith("conditional")}
        for row in rest["resource"]
        if row["type"] in NORMATIVE
    ]
    return {**statement, "rest": [{**rest, "resource": resources}]}


def capabilities(catalogue: Catalogue, settings: Settings, base_url: str, today: date) -> Json:
    """Return the CapabilityStatement resource."""
    definitions = catalogue.definitions
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": today.isoformat(),
        "kind": "instance",
        "software": {"name": SOFTWARE, "version": version(SOFTWARE)},
        "implementation": {"description": "Immunization records, status and certificates", "url": base_url},
        "fhirVersion": definitions.version,
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json", "application/merge-patch+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _limits(settings),
                "security": {
                    "description": "No caller is authorised yet: the server listens to its own machine only, "
                    "unless it was opened on purpose."
                },
                "resource": [_resource(catalogue, settings, type) for type in sorted(definitions.resource_types)],
                "interaction": [{"code": code} for code in SYSTEM],
                "compartment": [
                    f"http://hl7.org/fhir/CompartmentDefinition/{type.lower()}" for type in definitions.compartments
                ],
                "operation": _operations("system", None),
            }
        ],
    }


def _limits(settings: Settings) -> str:
    return (
        f"Limits: request body {settings.max_body} bytes, {settings.max_entries} entries in a batch or transaction "
        "(above: 413); of large bodies some are worked on at once, some wait, the rest is asked to come back (503); "
        f"page of {MAX_COUNT}, {DEFAULT_COUNT} when _count is not given; {settings.max_include} "
        f"included resources a page; {settings.max_chain} matches of a chain's step; "
        f"{settings.search_timeout} ms for a query. "
        "Every type also takes _has, chains, _list, _filter, _explain, _include and _revinclude with :iterate, "
        "_summary, _elements, _sort, _count and _total. "
        "Unknown search parameters are refused (Prefer: handling=lenient ignores them). "
        f"Dates without a zone are in {settings.time_zone}. "
        f"Resources are checked against R4 and the profiles they declare; profiles of their type: {settings.profiles}."
    )


def _resource(catalogue: Catalogue, settings: Settings, type: str) -> Json:
    known = catalogue.parameters(type)
    parameters = [known[code] for code in searchable(known)]
    profiles = sorted(
        url
        for url, profile in catalogue.definitions.profiles.items()
        if profile["type"] == type and profile.get("derivation") == "constraint"
    )
    row: Json = {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        **({"supportedProfile": profiles} if profiles else {}),
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": settings.update_create,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single" if settings.max_delete == 1 else "multiple",
        "referencePolicy": ["literal", *(["enforced"] if settings.references is Check.ENFORCE else [])],
        **({"searchInclude": includes} if (includes := _includes(type, parameters)) else {}),
        **({"searchRevInclude": referring} if (referring := catalogue.referring.get(type)) else {}),
        "searchParam": [
            {
                "name": parameter.code,
                "definition": parameter.url,
                "type": parameter.type,
                "documentation": f"Modifiers: {', '.join(_modifiers(parameter)) or 'none'}",
            }
            for parameter in parameters
        ],
    }
    if operations := _operations("type", type):
        row["operation"] = operations
    return row


def _modifiers(parameter: Parameter) -> list[str]:
    """Return what `parameter` can be asked with; "[type]" stands for the types that a reference may name."""
    found = matching.modifiers(parameter)
    own = [modifier for modifier in found if modifier not in parameter.targets]
    return [*own, "[type]"] if len(own) < len(found) else own


def _includes(type: str, parameters: list[Parameter]) -> list[str]:
    """Return what `_include` takes; none when no parameter of `type` is a reference."""
    own = sorted(f"{type}:{parameter.code}" for parameter in parameters if parameter.type == "reference")
    return ["*", f"{type}:*", *own] if own else []


def _operations(level: str, type: str | None) -> list[Json]:
    """Return the operations of the system, or those that a type or its instances have."""
    levels = {"system"} if level == "system" else {"type", "instance"}
    return [
        {"name": name, "definition": operation.definition.replace("{type}", type or "Resource")}
        for name, operation in OPERATIONS.items()
        if levels & set(operation.levels) and (type is None or not operation.types or type in operation.types)
    ]
