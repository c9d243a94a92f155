"""How far doses have come, asked of the records: their Provenances, who may sign, whether certificates were issued.

Decision 5772/QĐ-BYT (2021); https://hl7.org/fhir/R4/provenance.html
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from fhir_server import wire
from fhir_server.certificates import dose_steps, doses
from fhir_server.certificates.dose_steps import Register, State
from fhir_server.interactions.search import matches
from fhir_server.outcome import Issue, Unprocessable
from fhir_server.server import Context
from fhir_server.settings import Check

Json = dict[str, Any]

TOGETHER = 100  # doses of which the Provenances are searched at once
MAX_PROVENANCES = 1000  # of that many doses
MAX_AFFILIATIONS = 1000


async def states(ctx: Context, immunizations: Sequence[Json], signers: Sequence[str] = ()) -> list[State]:
    """Return how far each dose has come; `signers` are further organisations (ids) that are asked about."""
    provenances: list[Json] = []
    for start in range(0, len(immunizations), TOGETHER):
        names = ",".join(f"Immunization/{each['id']}" for each in immunizations[start : start + TOGETHER])
        found = await matches(ctx, "Provenance", [("target", names)], MAX_PROVENANCES)
        provenances += (orjson.loads(each.raw) for each in found if each.raw)  # no decimal of them is looked at
    register = await who_signs(ctx, immunizations, [*signers, *_signers(provenances)])
    return await asyncio.to_thread(_states, immunizations, provenances, register)


def _states(immunizations: Sequence[Json], provenances: Sequence[Json], register: Register) -> list[State]:
    by_dose: dict[str, list[Json]] = {}
    for provenance in provenances:
        for target in provenance["target"]:
            by_dose.setdefault(str(target.get("reference", "")).partition("/_history")[0], []).append(provenance)
    return [dose_steps.state(each, by_dose.get(f"Immunization/{each['id']}", ()), register) for each in immunizations]


async def who_signs(ctx: Context, immunizations: Sequence[Json], signers: Sequence[str]) -> Register:
    """Return the organisations among the facilities of the doses and `signers` (ids), and who signs for whom."""
    facilities = {id for each in immunizations if (id := doses.facility(each))}
    stored = await ctx.server.store.read_many([("Organization", id) for id in {*facilities, *signers}])
    organizations = {id: wire.loads(found.raw) for (_, id), found in stored.items() if found.raw}
    affiliations: list[Json] = []
    if signers:
        names = ",".join(sorted({f"Organization/{id}" for id in signers}))
        found = await matches(ctx, "OrganizationAffiliation", [("primary-organization", names)], MAX_AFFILIATIONS)
        affiliations = [wire.loads(each.raw) for each in found if each.raw]
    return Register(organizations, affiliations, ctx.server.facility_trust)


async def require(ctx: Context, immunizations: Sequence[Json]) -> None:
    """Raise Unprocessable, where the settings enforce signatures, naming each dose that is not signed as it is now."""
    if ctx.server.settings.signed_doses is Check.OFF:
        return
    unique = list({each["id"]: each for each in immunizations}.values())
    found = await states(ctx, unique)
    issues = [unsigned(each, state) for each, state in zip(unique, found, strict=True) if state.signed is None]
    if issues:
        raise Unprocessable("Doses are not signed by their facility", issues=issues)


def unsigned(immunization: Json, state: State) -> Issue:
    """Return the refusal of a dose without a signature that counts, and what to do."""
    name = f"Immunization/{immunization['id']}"
    why = f" ({state.refused.detail})" if state.refused else ""
    altered = state.refused is not None and state.refused.code == "altered"
    return Issue(
        "error",
        "business-rule",
        f"{name} is not signed by its facility as it is now{why}: the facility signs it (Immunization/$sign-doses)",
        f"{name} chưa được cơ sở tiêm ký số theo nội dung hiện tại: cơ sở cần ký (Immunization/$sign-doses)",
        "Immunization",
        "dose-altered" if altered else "dose-unsigned",
    )


def _signers(provenances: Sequence[Json]) -> list[str]:
    named = [row.get("who", {}).get("reference", "") for each in provenances for row in each.get("signature", ())]
    return [name.partition("/")[2] for name in named if name.startswith("Organization/")]
