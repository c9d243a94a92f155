"""The content of an International Certificate of Vaccination or Prophylaxis (WHO), one dose in one map.

https://smart.who.int/icvp/ — version 0.3.0, a draft whose fields still move: `VERSION` says which one is written here

Only yellow fever and poliomyelitis are certified, and only with a product that WHO has prequalified: the dose names
it by a coding of the system `PREQUALIFIED`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fhir_server.certificates import dcc, doses, names
from fhir_server.certificates.doses import Dose
from fhir_server.outcome import Issue, Unprocessable
from terminology.diseases import by_key

VERSION: Final = "0.3.0"
PREQUALIFIED: Final = "http://smart.who.int/pcmt-vaxprequal/CodeSystem/PreQualProductIds"
YELLOW_FEVER: Final = by_key("YF").code
DISEASES: Final = {YELLOW_FEVER: "1D47", by_key("POLIO").code: "1C81"}  # ICD-11
_SEX: Final = {"male", "female", "other"}


def attested(target: str | None, immunizations: Sequence[Mapping[str, Any]]) -> list[Dose]:
    """Return the counted doses against `target` (yellow fever when None); raise Unprocessable when there is none."""
    wanted = target or YELLOW_FEVER
    if wanted not in DISEASES:
        raise _refusal(
            "The international certificate is for yellow fever (16541001) or poliomyelitis (398102009): send one",
            "Chứng nhận quốc tế chỉ dành cho sốt vàng (16541001) và bại liệt (398102009): hãy gửi một trong hai mã",
            "Parameters.parameter.where(name = 'targetDisease').value",
            "icvp-target",
        )
    found = doses.counted(doses.against(wanted, immunizations))
    if not found:
        raise _refusal(
            "The person has no completed dose against this disease: record it as an Immunization first",
            "Người này chưa có mũi tiêm hoàn thành phòng bệnh này: hãy ghi nhận mũi tiêm trước",
            "Immunization.status",
            "icvp-no-dose",
        )
    return found


def payload(
    patient: Mapping[str, Any],
    given: Sequence[Dose],
    *,
    target: str | None,
    issuer: str,
    nationality: str | None = None,
) -> dict[str, Any]:
    """Return the certificate of the latest of `given`; raise Unprocessable with every reason at once."""
    dose = given[-1]
    immunization = dose.immunization
    name = names.choose(patient.get("name", ()))
    birth_date = patient.get("birthDate")
    product = _product(immunization)
    issues = [
        *([] if name else [dcc.NO_NAME]),
        *([] if birth_date else [dcc.NO_BIRTH_DATE]),
        *([] if dose.is_exact else [dcc.no_day(dose)]),
        *([] if product else [_no_product(dose)]),
    ]
    if issues or name is None or product is None:
        raise Unprocessable("No international certificate can be issued from these records", issues=issues)
    shot = {
        "dn": doses.number(dose, given) or len(given),
        "tg": DISEASES[target or YELLOW_FEVER],
        "vp": product,
        "dt": dose.day,
        "bo": immunization.get("lotNumber"),
        "ma": immunization.get("manufacturer", {}).get("display"),
        "cn": _clinician(immunization),
        "is": doses.facility_name(immunization) or issuer,
    }
    person = {
        "n": f"{name.fn} {name.gn}".strip(),
        "dob": birth_date,
        "s": patient.get("gender") if patient.get("gender") in _SEX else None,
        "ntl": nationality,
    }
    return {**_present(person), "v": _present(shot)}


def _product(immunization: Mapping[str, Any]) -> str | None:
    codings = immunization.get("vaccineCode", {}).get("coding", ())
    return next((row.get("code") for row in codings if row.get("system") == PREQUALIFIED), None)


def _clinician(immunization: Mapping[str, Any]) -> str | None:
    actors = [row.get("actor", {}) for row in immunization.get("performer", ())]
    found = (actor for actor in actors if actor.get("reference", "").startswith("Practitioner"))
    return next((actor["display"] for actor in found if "display" in actor), None)


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _no_product(dose: Dose) -> Issue:
    return Issue(
        "error",
        "code-invalid",
        f"The vaccine of {dose.label} names no product prequalified by WHO: add a coding of {PREQUALIFIED}",
        f"Vắc xin của {dose.label} không nêu sản phẩm đạt tiền thẩm định của WHO: hãy thêm mã hệ {PREQUALIFIED}",
        "Immunization.vaccineCode",
        "icvp-product",
    )


def _refusal(en: str, vi: str, expression: str, rule: str) -> Unprocessable:
    return Unprocessable(en, issues=[Issue("error", "business-rule", en, vi, expression, rule)])
