"""The content of a vaccination certificate (EU DCC 1.3.0), from a Patient and the Immunizations.

https://github.com/ehn-dcc-development/eu-dcc-schema and Decision 5772/QĐ-BYT (2021) of Viet Nam's Ministry of Health

Rules by which a certificate is refused, each a key in the OperationOutcome: dcc-target, dcc-no-dose, dcc-not-completed,
dcc-subpotent, dcc-product, dcc-occurrence, dcc-occurrence-precision, dcc-dose-number, dcc-name, dcc-birth-date.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from unicodedata import normalize

from fhir_server.certificates import doses, names, products
from fhir_server.certificates.doses import Dose
from fhir_server.certificates.names import Name
from fhir_server.certificates.products import Product
from fhir_server.outcome import Issue, Unprocessable
from signing import values
from terminology.vaccines import PRODUCT

VERSION: Final = "1.3.0"
COVID_19: Final = "840539006"  # SNOMED CT
_BIRTH_DATE: Final = re.compile(r"(19|20)\d\d(-\d\d){0,2}", re.ASCII)


def payload(
    patient: Mapping[str, Any],
    immunizations: Sequence[Mapping[str, Any]],
    *,
    target: str | None,
    issuer: str,
    uvci: str,
    country: str = "VN",
) -> dict[str, Any]:
    """Return the certificate of the latest completed dose against `target` (COVID-19 when None).

    Raise Unprocessable with every reason at once when there is none, or when a part of it is missing.
    """
    wanted = target or COVID_19
    counted = completed(wanted, immunizations)
    return certified(patient, counted, target=wanted, issuer=issuer, uvci=uvci, country=country)


def certified(
    patient: Mapping[str, Any], counted: Sequence[Dose], *, target: str, issuer: str, uvci: str, country: str = "VN"
) -> dict[str, Any]:
    """Return the certificate of the last of the `counted` doses; raise Unprocessable when a part of it is missing."""
    dose = counted[-1]
    name = names.choose(patient.get("name", ()))
    birth_date = patient.get("birthDate")
    made = product(dose, target)
    number = doses.number(dose, counted)
    reasons = [
        *([] if name else [NO_NAME]),
        *([] if isinstance(birth_date, str) and _BIRTH_DATE.fullmatch(birth_date) else [NO_BIRTH_DATE]),
        *([] if made else [no_product(dose)]),
        *([] if dose.is_exact else [no_day(dose)]),
        *([] if number or not dose.is_exact else [_no_number(dose)]),
    ]
    if reasons or name is None or made is None or number is None:
        raise Unprocessable("No certificate can be issued from these records", issues=reasons)
    entry = {
        "tg": made.tg,
        "vp": made.vp,
        "mp": made.mp,
        "ma": made.ma,
        "dn": number,
        "sd": dose.series or max(number, made.primary),  # dn may exceed a recorded sd: that is a booster
        "dt": dose.day,
        "co": country,
        "is": normalize("NFC", issuer)[:80],
        "ci": uvci,
    }
    return {"ver": VERSION, "nam": _spelled(name), "dob": birth_date, "v": [entry]}


def product(dose: Dose, target: str = COVID_19) -> Product | None:
    """Return the product with DCC codes that `dose` was of; None when it has none or could be several."""
    return products.product(dose.immunization.get("vaccineCode", {}), target)


def completed(target: str, immunizations: Sequence[Mapping[str, Any]]) -> list[Dose]:
    """Return the doses that count, at least one and the latest last; raise Unprocessable when there is none."""
    if not values.active("tg", target):
        raise _refusal(
            f"A certificate of this kind cannot be issued for the disease {target}: leave targetDisease out"
            f" or send {COVID_19} (COVID-19)",
            f"Không thể cấp loại chứng nhận này cho bệnh {target}: hãy bỏ trống targetDisease"
            f" hoặc gửi {COVID_19} (COVID-19)",
            "Parameters.parameter.where(name = 'targetDisease').value",
            "dcc-target",
        )
    found = doses.against(target, immunizations)
    disease = values.display("tg", target)
    if not found:
        raise _refusal(
            f"The person has no dose against {disease}: record the dose as an Immunization first",
            f"Người này chưa có mũi tiêm nào phòng {disease}: hãy ghi nhận mũi tiêm (Immunization) trước",
            "Immunization.protocolApplied.targetDisease",
            "dcc-no-dose",
        )
    if counted := doses.counted(found):
        return counted
    if any(dose.immunization.get("status") == "completed" for dose in found):
        raise _refusal(
            f"No dose against {disease} was fully potent ({_labels(found)}): the dose has to be given again",
            f"Không có mũi tiêm phòng {disease} nào đủ hiệu lực ({_labels(found)}): cần tiêm lại",
            "Immunization.isSubpotent",
            "dcc-subpotent",
        )
    raise _refusal(
        f"No dose against {disease} is completed ({_labels(found)}): doses not done or entered in error do not count",
        f"Không có mũi tiêm phòng {disease} nào đã hoàn thành ({_labels(found)}):"
        " mũi không tiêm hoặc nhập sai không được tính",
        "Immunization.status",
        "dcc-not-completed",
    )


def _labels(found: Sequence[Dose]) -> str:
    return ", ".join(f"{dose.label}: {dose.immunization.get('status')}" for dose in found[:5])


def _spelled(name: Name) -> dict[str, str]:
    return {part: text for part, text in name._asdict().items() if text}


def _refusal(en: str, vi: str, expression: str, rule: str) -> Unprocessable:
    return Unprocessable(en, issues=[Issue("error", "business-rule", en, vi, expression, rule)])


NO_NAME: Final = Issue(
    "error",
    "required",
    "The person has no name in Latin letters: add one to the Patient (an old or maiden name is not certified)",
    "Người này chưa có họ tên viết bằng chữ La-tinh: hãy bổ sung vào Patient (không dùng tên cũ)",
    "Patient.name",
    "dcc-name",
)
NO_BIRTH_DATE: Final = Issue(
    "error",
    "required",
    "The person has no birth date from 1900 on: add at least the year to the Patient",
    "Người này chưa có ngày sinh (từ năm 1900): hãy bổ sung ít nhất năm sinh vào Patient",
    "Patient.birthDate",
    "dcc-birth-date",
)


def no_product(dose: Dose) -> Issue:
    """Return the refusal of a dose without a product that a certificate could name."""
    return Issue(
        "error",
        "code-invalid",
        f"The vaccine of {dose.label} is not one product that has a certificate code: code it with the system {PRODUCT}"
        " or with the CVX code of that product alone",
        f"Vắc xin của {dose.label} không xác định được một sản phẩm có mã chứng nhận: hãy mã hóa bằng hệ mã {PRODUCT}"
        " hoặc mã CVX chỉ thuộc sản phẩm đó",
        "Immunization.vaccineCode",
        "dcc-product",
    )


def no_day(dose: Dose) -> Issue:
    """Return the refusal of a dose whose day is not known."""
    if not dose.day:
        return Issue(
            "error",
            "required",
            f"{dose.label} has no date: send occurrenceDateTime",
            f"{dose.label} chưa có ngày tiêm: hãy gửi occurrenceDateTime",
            "Immunization.occurrence",
            "dcc-occurrence",
        )
    return Issue(
        "error",
        "value",
        f"The date of {dose.label}, {dose.day}, is not a day: send year, month and day",
        f"Ngày tiêm của {dose.label} ({dose.day}) chưa đủ: hãy gửi cả năm, tháng và ngày",
        "Immunization.occurrence",
        "dcc-occurrence-precision",
    )


def _no_number(dose: Dose) -> Issue:
    return Issue(
        "error",
        "required",
        f"The dose number of {dose.label} cannot be counted, as other doses have no exact date:"
        " send protocolApplied.doseNumberPositiveInt",
        f"Không thể đếm số thứ tự của {dose.label} vì có mũi tiêm khác thiếu ngày chính xác:"
        " hãy gửi protocolApplied.doseNumberPositiveInt",
        "Immunization.protocolApplied.doseNumber",
        "dcc-dose-number",
    )
