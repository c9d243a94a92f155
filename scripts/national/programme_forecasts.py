"""Set C, continued: the doses that come next.

TT 13/2026/TT-BYT Điều 5 khoản 4 · https://hl7.org/fhir/R4/immunizationrecommendation.html
"""

from collections.abc import Iterator

from scripts.national.basis import DATASET, own, structure, value_set
from scripts.national.community import url
from scripts.national.notation import Json, bound, element, reference, rule

LOINC = "http://loinc.org"


def definitions() -> Iterator[Json]:
    """Yield the profile of recommendations."""
    yield _recommendation()


def _criterion(code: str) -> str:
    return f"dateCriterion.where(code.coding.where(system = '{LOINC}' and code = '{code}').exists()).value"


def _recommendation() -> Json:
    schedule = "TT 13/2026/TT-BYT Điều 5 khoản 4: the schedule follows the label and the guidance of Cục Phòng bệnh"
    path = "ImmunizationRecommendation.recommendation"
    return structure(
        "vn-imm-recommendation",
        "ImmunizationRecommendation",
        ("Doses that come next", "Mũi tiêm tiếp theo"),
        "Which doses a person needs and when.",
        [
            element(
                "ImmunizationRecommendation",
                ("Doses that come next", "Mũi tiêm tiếp theo"),
                constraint=[
                    rule(
                        "vn-imm-forecast-authority",
                        "warning",
                        (
                            "The record does not say by whose schedule it was made: add authority",
                            "Bản ghi chưa cho biết lịch tiêm của cơ quan nào: hãy thêm authority",
                        ),
                        "authority.exists()",
                        schedule,
                    )
                ],
            ),
            element(
                "ImmunizationRecommendation.patient",
                ("Who the doses are for", "Đối tượng tiêm chủng"),
                requirements=DATASET,
                type=reference(own("vn-imm-patient"), url("vn-core-patient")),
            ),
            element(
                path,
                ("One series", "Một loạt mũi tiêm"),
                constraint=[
                    rule(
                        "vn-imm-forecast-date",
                        "error",
                        (
                            "A dose that is due or overdue says since when: add dateCriterion with LOINC 30980-7",
                            "Mũi đến lịch hoặc quá lịch phải có ngày đến lịch: hãy thêm dateCriterion với LOINC "
                            "30980-7",
                        ),
                        "forecastStatus.coding.where(code = 'due' or code = 'overdue').empty() or "
                        f"{_criterion('30980-7')}.exists()",
                        schedule,
                    ),
                    rule(
                        "vn-imm-forecast-order",
                        "error",
                        (
                            "Earliest, due and latest date are not in this order: correct the dates",
                            "Ngày sớm nhất, ngày đến lịch và ngày muộn nhất không theo thứ tự: hãy sửa các ngày",
                        ),
                        f"iif({_criterion('30981-5')} > {_criterion('30980-7')}, false, "
                        f"iif({_criterion('30980-7')} > {_criterion('59777-3')}, false, true))",
                        schedule,
                    ),
                ],
            ),
            element(
                f"{path}.vaccineCode",
                ("Vaccine", "Vắc xin"),
                requirements=schedule,
                mustSupport=True,
                binding=bound("extensible", value_set("vaccine")),
            ),
            element(
                f"{path}.targetDisease",
                ("Disease", "Bệnh được phòng"),
                requirements="TT 13/2026/TT-BYT Điều 4 và 5: the duty is by disease",
                mustSupport=True,
                binding=bound("extensible", value_set("target-disease")),
            ),
            element(
                f"{path}.forecastStatus",
                ("Due, overdue, complete, immune or contraindicated", "Tình trạng lịch tiêm"),
                requirements=schedule,
                mustSupport=True,
                binding=bound("required", value_set("forecast-status")),
            ),
            element(
                f"{path}.dateCriterion.code",
                ("Which date", "Loại ngày"),
                requirements=schedule,
                binding=bound("extensible", value_set("forecast-date")),
            ),
            element(
                f"{path}.doseNumber[x]",
                ("Number of the dose in its series", "Mũi thứ mấy"),
                requirements="QĐ 3891/QĐ-BYT: dose order",
                type=[{"code": "positiveInt"}],
            ),
        ],
        f"{schedule}. No VN Core profile of this type was seen.",
    )
