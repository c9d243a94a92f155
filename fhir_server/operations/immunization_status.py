"""$immunization-status: what the population database asks: who is this number, what doses, which certificates.

One small answer, or a refusal; never a guess between two records.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server import wire
from fhir_server.certificates.products import vaccines
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.search import matches
from fhir_server.interactions.stamp import instant
from fhir_server.operations.call import Call, escaped, inputs, parameters
from fhir_server.operations.issue_certificate import URI, doses
from fhir_server.outcome import BadRequest, MultipleMatches, NotFound
from fhir_server.search.types import date
from fhir_server.server import Context
from terminology.diseases import DISEASES, SNOMED

Json = dict[str, Any]

MAX_ALIKE = 20  # records whose numbers differ in case only
MAX_CERTIFICATES = 100  # newest first


async def status(ctx: Context, call: Call) -> Answer:
    """Answer with the identity, the completed doses by disease and the valid certificates of one person."""
    system, value = _identifier(inputs(call, ("identifier",)))
    alike = await matches(ctx, "Patient", [("identifier", f"{escaped(system)}|{escaped(value)}")], MAX_ALIKE)
    # A search leaves out case where a system does not say that it matters; who somebody is must not depend on that.
    people = [wire.loads(stored.raw) for stored in alike if stored.raw]
    found = [(patient, own[0]) for patient in people if (own := _carried(patient, system, value))]
    if not found:
        raise NotFound("No person with this identifier is recorded here", "Không có người nào với số định danh này")
    if len(found) > 1:
        raise MultipleMatches(
            "Several records carry this identifier: they must be reconciled before a status can be given",
            "Nhiều hồ sơ cùng mang số định danh này: cần đối soát trước khi trả lời tình trạng tiêm chủng",
        )
    [(patient, identifier)] = found
    recorded = [wire.loads(each.raw) for each in await doses(ctx, patient["id"]) if each.raw]
    completed = [dose for dose in recorded if dose.get("status") == "completed"]
    facilities = await _facilities(ctx, completed)
    rows = [_identity(patient, identifier)]
    zone = ZoneInfo(ctx.server.settings.time_zone)
    completed.sort(key=lambda dose: _moment(dose, zone))
    rows += (_disease(code, given, facilities) for code, given in sorted(_by_disease(completed).items()))
    rows += await _certificates(ctx, patient["id"])
    return parameters(rows)


def _identifier(values: Json) -> tuple[str, str]:
    """Return system and value; raise BadRequest when either is missing."""
    given = values.get("identifier")
    if isinstance(given, dict):
        system, value = given.get("system"), given.get("value")
    else:
        system, _, value = given.partition("|") if isinstance(given, str) else ("", "", "")
    if not (isinstance(system, str) and isinstance(value, str) and system and value):
        raise BadRequest(
            "Give identifier=system|value, such as http://fhir.hl7.org.vn/core/sid/cccd|001225000001",
            "Hãy gửi identifier=system|value, ví dụ http://fhir.hl7.org.vn/core/sid/cccd|001225000001",
        )
    return system, value


def _carried(patient: Json, system: str, value: str) -> list[Json]:
    """Return the identifiers of `patient` that are exactly this one."""
    return [row for row in patient.get("identifier", ()) if row.get("system") == system and row.get("value") == value]


def _identity(patient: Json, identifier: Json) -> Json:
    """Return the fields by which the caller confirms the person, and no more."""
    part: list[Json] = [
        {"name": "reference", "valueReference": {"reference": f"Patient/{patient['id']}"}},
        {"name": "identifier", "valueIdentifier": identifier},
    ]
    part += ({"name": "name", "valueHumanName": name} for name in patient.get("name", ())[:1])
    if "birthDate" in patient:
        part.append({"name": "birthDate", "valueDate": patient["birthDate"]})
    if "gender" in patient:
        part.append({"name": "gender", "valueCode": patient["gender"]})
    return {"name": "patient", "part": part}


def _moment(dose: Json, zone: ZoneInfo) -> datetime:
    """Return when a dose was given, or when its year or month began; doses without a date come first."""
    found = date.interval(dose.get("occurrenceDateTime", ""), zone)
    return found[0] if found else datetime.min.replace(tzinfo=UTC)


def _by_disease(completed: Iterable[Json]) -> dict[str, list[tuple[Json, Json]]]:
    """Return (dose, protocol) pairs by the SNOMED CT code of the target disease.

    A record that names none counts for the diseases of its vaccine, or under "" when the vaccine is not known.
    """
    given: dict[str, list[tuple[Json, Json]]] = {}
    for dose in completed:
        told = [
            (coding["code"], protocol)
            for protocol in dose.get("protocolApplied", ())
            for disease in protocol.get("targetDisease", ())
            for coding in disease.get("coding", ())
            if coding.get("system") == SNOMED and "code" in coding
        ]
        for code, protocol in told or [(code, {}) for code in _protects(dose)]:
            given.setdefault(code, []).append((dose, protocol))
    return given


def _protects(dose: Json) -> Sequence[str]:
    """Return the diseases that every product which the vaccine code can mean protects from; ("",) when unknown."""
    possible = [set(vaccine.target_diseases) for vaccine in vaccines(dose.get("vaccineCode", {}))]
    return sorted(set.intersection(*possible)) if possible and set.intersection(*possible) else ("",)


def _disease(code: str, given: list[tuple[Json, Json]], facilities: dict[str, str]) -> Json:
    known = DISEASES.get(code)
    part: list[Json] = []
    if code:
        coding = {"system": SNOMED, "code": code, **({"display": known.en} if known else {})}
        part.append({"name": "targetDisease", "valueCoding": coding})
    part += ({"name": "dose", "part": _dose(dose, protocol, facilities)} for dose, protocol in given)
    return {"name": "disease", "part": part}


def _dose(dose: Json, protocol: Json, facilities: dict[str, str]) -> list[Json]:
    part: list[Json] = [{"name": "immunization", "valueReference": {"reference": f"Immunization/{dose['id']}"}}]
    if "occurrenceDateTime" in dose:
        part.append({"name": "date", "valueDateTime": dose["occurrenceDateTime"]})
    part.append({"name": "product", "valueCodeableConcept": dose["vaccineCode"]})
    if "lotNumber" in dose:
        part.append({"name": "lot", "valueString": dose["lotNumber"]})
    for kind in ("PositiveInt", "String"):
        if f"doseNumber{kind}" in protocol:
            part.append({"name": "doseNumber", f"value{kind}": protocol[f"doseNumber{kind}"]})
    if facility := next((facilities[name] for name in _actors(dose) if name in facilities), None):
        part.append({"name": "facility", "valueString": facility})
    return part


def _actors(dose: Json) -> list[str]:
    """Return the references to the organisations that gave a dose."""
    actors = [performer.get("actor", {}).get("reference", "") for performer in dose.get("performer", ())]
    return [actor for actor in actors if actor.startswith("Organization/")]


async def _facilities(ctx: Context, completed: Iterable[Json]) -> dict[str, str]:
    """Return the names of the organisations that gave the doses, by reference."""
    wanted = {actor for dose in completed for actor in _actors(dose)}
    stored = await ctx.server.store.read_many([("Organization", actor.partition("/")[2]) for actor in wanted])
    return {
        f"Organization/{id}": wire.loads(found.raw).get("name", id) for (_, id), found in stored.items() if found.raw
    }


async def _certificates(ctx: Context, patient: str) -> list[Json]:
    """Return the certificates of the person that are valid now: the register knows, not who may write documents."""
    found = await ctx.server.store.register.on([f"Patient/{patient}"], only_valid=True, limit=MAX_CERTIFICATES)
    return [
        {
            "name": "certificate",
            "part": [
                {"name": "identifier", "valueIdentifier": {"system": URI, "value": each.id}},
                {"name": "format", "valueCode": each.format},
                {"name": "expires", "valueInstant": instant(each.expires)},
            ],
        }
        for each in found
        if each.expires > ctx.now
    ]
