"""$health-cards-issue: SMART Health Cards of a person, for the person's own telephone.

https://spec.smarthealth.cards/#healthwallet-requests-health-cards and its patient-i-health-cards-issue
"""

from datetime import datetime
from typing import Any, Final

from fhir_server.certificates.dcc import COVID_19
from fhir_server.certificates.formats import IDENTITY
from fhir_server.interactions.answer import Answer
from fhir_server.operations.call import Call, inputs, parameters, text
from fhir_server.operations.issue_certificate import doses, issued
from fhir_server.outcome import BadRequest, NotSupported
from fhir_server.server import Context

Json = dict[str, Any]

_ORIGIN: Final = "https://smarthealth.cards"
_IMMUNIZATION: Final = frozenset({"Immunization", "#immunization", f"{_ORIGIN}#immunization"})
_COVID: Final = frozenset({"#covid19", f"{_ORIGIN}#covid19"})
_ANY: Final = frozenset({"#health-card", f"{_ORIGIN}#health-card"})
_CLAIMS: Final = frozenset(
    {"Patient.name", "Patient.birthDate", "Patient.gender", "Patient.identifier", "Patient.telecom"}
)
# The value set of all COVID-19 vaccines, in any code system; others would be answered by guessing.
_COVID_VACCINES: Final = frozenset(
    f"https://terminology.smarthealth.cards/ValueSet/immunization-covid-{system}"
    for system in ("all", "cvx", "snomed", "icd11", "atc")
)


async def issue(ctx: Context, call: Call) -> Answer:
    """Answer with one card of the doses asked for, and where each of them is hosted; with none when none is new.

    Raise NotSupported for a type of credential, or a value set, that is not issued here.
    """
    lists = ("credentialType", "credentialValueSet", "includeIdentityClaim")
    values = inputs(call, (*lists, "_since"), lists=lists)
    types, sets, claims = (set(filter(None, (text(values, name) or "").split(","))) for name in lists)
    target = _target(types, sets)
    if unknown := claims - _CLAIMS:
        raise NotSupported(
            f"includeIdentityClaim {sorted(unknown)[0][:64]}: ask for {', '.join(sorted(_CLAIMS))}",
            f"includeIdentityClaim {sorted(unknown)[0][:64]}: hãy chọn {', '.join(sorted(_CLAIMS))}",
        )
    patient = call.id or ""
    if since := text(values, "_since"):
        given = await doses(ctx, patient)
        if not any(each.last_updated > _moment(since) for each in given):
            return parameters([])
    [card] = await issued(ctx, patient, ["shc"], target, identity=(*IDENTITY, *sorted(claims - set(IDENTITY))))
    rows: list[Json] = [{"name": "verifiableCredential", "valueString": card.text}]
    rows += (_link(ctx, place, name) for place, name in enumerate(card.basis))
    return parameters(rows)


def _target(types: set[str], sets: set[str]) -> str | None:
    """Return the disease that a request limits the card to; None: any."""
    if not types:
        raise BadRequest(
            "Give credentialType: https://smarthealth.cards#immunization",
            "Hãy gửi credentialType: https://smarthealth.cards#immunization",
        )
    if unknown := types - _IMMUNIZATION - _COVID - _ANY:
        raise NotSupported(
            f"Health cards of type {sorted(unknown)[0][:64]} are not issued here: ask for {_ORIGIN}#immunization",
            f"Không cấp thẻ sức khỏe loại {sorted(unknown)[0][:64]}: hãy chọn {_ORIGIN}#immunization",
        )
    if unknown := sets - _COVID_VACCINES:
        raise NotSupported(
            f"The value set {sorted(unknown)[0][:128]} does not limit cards here: leave it out",
            f"Không hỗ trợ giới hạn theo value set {sorted(unknown)[0][:128]}: hãy bỏ tham số này",
        )
    return COVID_19 if types & _COVID or sets else None


def _link(ctx: Context, place: int, name: str) -> Json:
    return {
        "name": "resourceLink",
        "part": [
            {"name": "vcIndex", "valueInteger": 0},
            {"name": "bundledResource", "valueUri": f"resource:{place}"},
            {"name": "hostedResource", "valueUri": f"{ctx.base_url}/{name}"},
        ],
    }


def _moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest("_since is a time with its zone", "_since là thời điểm kèm múi giờ")
    return moment
