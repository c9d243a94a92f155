"""Set C, continued: doses and lots of vaccine.

TT 13/2026/TT-BYT · dose fields of QĐ 3891/QĐ-BYT · https://hl7.org/fhir/R4/immunization.html
"""

from collections.abc import Iterator

from scripts.national.basis import DATASET, EXACT, UNVERIFIED, demanded, own, structure, value_set
from scripts.national.community import url
from scripts.national.notation import R4, Json, bound, element, extension, rule
from terminology.diseases import by_key
from terminology.vaccines import CVX, PRODUCT, SNOMED, VACCINES

LOT = "TT 13/2026/TT-BYT Điều 12 khoản 3 và 5: after a severe event the lot is suspended"


def definitions() -> Iterator[Json]:
    """Yield the profiles of doses and lots."""
    yield from (_immunization(), _medication())


GIVEN = "status = 'completed'"
HERE = f"{GIVEN} and primarySource = true"
HEPATITIS_B = by_key("HBV").code
DILUENT = own("vn-imm-ext-reconstitution")


def _time() -> list[Json]:
    """Return the rules on when: of the dose, of its record, of the lot and its diluent."""
    mixed = f"extension.where(url = '{DILUENT}').extension.where(url = 'reconstituted').value"
    return [
        rule(
            "vn-imm-not-in-the-future",
            "error",
            (
                "The dose was recorded before it was given: correct occurrenceDateTime or recorded",
                "Thời điểm ghi nhận trước thời điểm tiêm: hãy sửa occurrenceDateTime hoặc recorded",
            ),
            f"iif({GIVEN} and occurrence.ofType(dateTime) > recorded, false, true)",
            f"{EXACT}. Of doses that were given: what was planned may be called off before, and what was entered in "
            "error may be marked so whatever is wrong with it",
        ),
        rule(
            "vn-imm-given-already",
            "error",
            (
                "A dose that was given (completed) lies in the future: correct occurrenceDateTime, or plan it with an "
                "ImmunizationRecommendation",
                "Mũi đã tiêm (completed) lại có ngày trong tương lai: hãy sửa occurrenceDateTime, hoặc lên lịch bằng "
                "ImmunizationRecommendation",
            ),
            f"iif({GIVEN} and occurrence.ofType(dateTime) > today(), false, true)",
            EXACT,
        ),
        rule(
            "vn-imm-occurrence-day",
            "error",
            (
                "A dose given here (completed, primarySource true) has its full date: write year, month and day",
                "Mũi đã tiêm tại cơ sở (completed, primarySource = true) phải có đủ ngày, tháng, năm: hãy ghi đủ",
            ),
            f"where({HERE} and occurrence.ofType(dateTime).toString().length() < 10).empty()",
            f"{UNVERIFIED}: the date of a dose is mandatory",
        ),
        rule(
            "vn-imm-recorded",
            "warning",
            (
                "The record does not say when it was written, so that nobody can tell whether in time: add recorded",
                "Bản ghi không có thời điểm ghi nhận nên không biết có đúng hạn không: hãy thêm recorded",
            ),
            f"where({HERE}).empty() or recorded.exists()",
            "QĐ 3421/QĐ-BYT of 28/07/2017 Điều 7: results are entered during the session",
        ),
        rule(
            "vn-imm-expired",
            "warning",
            (
                "The dose was given after the lot had expired: correct the dates, or report it as an incident",
                "Mũi tiêm sau hạn dùng của lô: hãy sửa ngày, hoặc báo cáo sự cố",
            ),
            f"iif({GIVEN} and occurrence.ofType(dateTime) > expirationDate, false, true)",
            f"{EXACT}. Never an error: what happened is recorded as it happened",
        ),
        rule(
            "vn-imm-reconstituted-before",
            "error",
            (
                "The vaccine was reconstituted after it was given: correct the time of reconstitution or "
                "occurrenceDateTime",
                "Thời điểm pha hồi chỉnh sau thời điểm tiêm: hãy sửa thời điểm pha hoặc occurrenceDateTime",
            ),
            f"iif({GIVEN} and {mixed} > occurrence.ofType(dateTime), false, true)",
            f"{EXACT}; the WHO form for adverse events asks for the time of reconstitution",
        ),
    ]


def _after_birth() -> Json:
    """Return the rule that nobody gets a dose before birth; whose record holds the wrong date, nobody can say."""
    return rule(
        "vn-imm-after-birth",
        "warning",
        (
            "The dose was given before the person was born: compare occurrenceDateTime with the person's birthDate",
            "Mũi tiêm có ngày trước ngày sinh của đối tượng: hãy đối chiếu occurrenceDateTime với birthDate",
        ),
        f"where({GIVEN}).patient.resolve().where(birthDate > %resource.occurrence.ofType(dateTime)).empty()",
        EXACT,
    )


def _birth_dose() -> Json:
    """Return the rule on the dose against hepatitis B that newborns get; what comes after a week is another dose.

    It is against nothing else, so that of combined vaccines nobody has to look up the child.
    A birth date names no hour: a dose of the next day may have been in time, one of the day after was not.
    """
    only = sorted(vaccine.id for vaccine in VACCINES.values() if vaccine.target_diseases == (HEPATITIS_B,))
    products = " or ".join(f"code = '{id}'" for id in only)
    codes = f"(system = '{PRODUCT}' and ({products}))"
    cvx = f"(system = '{CVX}' and (code = '08' or code = '45'))"
    disease = f"protocolApplied.targetDisease.coding.where(system = '{SNOMED}' and code"
    given = (
        f"({disease} = '{HEPATITIS_B}').exists() and {disease} != '{HEPATITIS_B}').empty()) or "
        f"vaccineCode.coding.where({codes} or {cvx}).exists()"
    )
    day, born = "%resource.occurrence.ofType(dateTime)", f"birthDate.extension.where(url = '{R4}/patient-birthTime')"
    late = f"iif({born}.exists(), {day} > {born}.value.ofType(dateTime) + 24 hours, {day} > birthDate + 1 day)"
    return rule(
        "vn-imm-hepatitis-b-birth-dose",
        "warning",
        (
            "The birth dose against hepatitis B came later than 24 hours after birth: compare both dates, and tell the "
            "reason in note",
            "Mũi viêm gan B sơ sinh tiêm muộn hơn 24 giờ sau sinh: hãy đối chiếu hai ngày và ghi lý do vào note",
        ),
        f"where({GIVEN} and ({given})).patient.resolve()"
        f".where({late} and iif({day} > birthDate + 7 days, false, true)).empty()",
        "TT 13/2026/TT-BYT Điều 26 khoản 1: within 24 hours after birth. Never an error: what happened is recorded as "
        "it happened",
    )


def _named(other: str) -> str:
    """Return the expression: a reference by identifier, which does not say that it is to an `other`."""
    return f"(identifier.exists() and type.where(startsWith('{other}')).empty())"


def _content() -> list[Json]:
    """Return the rules on what was given, by whom and where."""
    actor = "performer.actor.where"
    return [
        rule(
            "vn-imm-lot",
            "error",
            (
                "A dose given here (completed, primarySource true) names its lot: copy lotNumber from the vial",
                "Mũi đã tiêm tại cơ sở (completed, primarySource = true) phải có số lô: hãy ghi lotNumber theo lọ vắc "
                "xin",
            ),
            f"where({HERE}).empty() or lotNumber.exists()",
            "TT 13/2026/TT-BYT Điều 10 khoản 2 (full records) and Điều 12 (a lot is suspended after a severe event). "
            "The lot was a column of the forms of TT 34/2018/TT-BYT, since repealed; the new forms were not readable",
        ),
        rule(
            "vn-imm-expiry",
            "error",
            (
                "A dose given here (completed, primarySource true) names the expiry of its lot: copy expirationDate "
                "from the vial",
                "Mũi đã tiêm tại cơ sở (completed, primarySource = true) phải có hạn dùng: hãy ghi expirationDate theo "
                "lọ vắc xin",
            ),
            f"where({HERE}).empty() or expirationDate.exists()",
            "TT 13/2026/TT-BYT Điều 10 khoản 2 (full records). The expiry was a column of the forms of TT "
            "34/2018/TT-BYT, since repealed; the new forms were not readable",
        ),
        rule(
            "vn-imm-product",
            "warning",
            (
                "The record does not say which product was given: add the product's code to vaccineCode, or the "
                "manufacturer",
                "Bản ghi chưa cho biết đã tiêm sản phẩm nào: hãy thêm mã sản phẩm vào vaccineCode hoặc ghi nhà sản "
                "xuất",
            ),
            f"where({GIVEN}).empty() or manufacturer.exists() or "
            f"vaccineCode.coding.where(system = '{PRODUCT}').exists()",
            f"{LOT}; {EXACT}",
        ),
        rule(
            "vn-imm-not-done-reason",
            "error",
            (
                "A dose that was not given says why: add statusReason (out of stock, refused, medical reason)",
                "Mũi không tiêm phải có lý do: hãy thêm statusReason (hết vắc xin, từ chối, lý do y tế)",
            ),
            "where(status = 'not-done').empty() or statusReason.exists()",
            "TT 13/2026/TT-BYT Điều 12 (screening before each dose); Điều 10 khoản 2",
        ),
        rule(
            "vn-imm-facility",
            "warning",
            (
                "The record does not say which facility gave the dose: add performer.actor with a reference to the "
                "Organization",
                "Bản ghi chưa cho biết cơ sở tiêm: hãy thêm performer.actor tham chiếu đến Organization",
            ),
            f"where({GIVEN}).empty() or {actor}(reference.contains('Organization/') or reference.startsWith('urn:') or "
            f"type = 'Organization' or {_named('Practitioner')}).exists() or location.exists()",
            "QĐ 3891/QĐ-BYT: the facility is a mandatory field of a dose (validity after 01/07/2026 not verified)",
        ),
        rule(
            "vn-imm-person",
            "warning",
            (
                "The record does not say who gave the dose: add performer.actor with a reference to the Practitioner",
                "Bản ghi chưa cho biết người tiêm: hãy thêm performer.actor tham chiếu đến Practitioner",
            ),
            f"where({HERE}).empty() or {actor}(reference.contains('Practitioner') or reference.startsWith('urn:') or "
            f"type.startsWith('Practitioner') or {_named('Organization')}).exists()",
            "TT 13/2026/TT-BYT Điều 12: who screens and gives the dose answers for it",
        ),
        rule(
            "vn-imm-dose-order",
            "warning",
            (
                "The record does not say which dose it was: add protocolApplied with doseNumberPositiveInt and "
                "targetDisease",
                "Bản ghi chưa cho biết mũi thứ mấy: hãy thêm protocolApplied với doseNumberPositiveInt và "
                "targetDisease",
            ),
            f"where({GIVEN}).empty() or protocolApplied.exists()",
            "QĐ 3891/QĐ-BYT: dose order and antigen are mandatory fields of a dose (validity after 01/07/2026 not "
            "verified)",
        ),
        rule(
            "vn-imm-origin",
            "warning",
            (
                "A dose copied from elsewhere (primarySource false) says from where: add reportOrigin",
                "Mũi tiêm ghi lại từ nguồn khác (primarySource = false) cần ghi nguồn: hãy thêm reportOrigin",
            ),
            "where(primarySource = false).empty() or reportOrigin.exists()",
            EXACT,
        ),
    ]


def _immunization() -> Json:
    return structure(
        "vn-imm-immunization",
        url("vn-core-immunization"),
        ("Dose of the immunization programme", "Mũi tiêm chủng"),
        "A dose given or not given, as the national immunization information system needs it.",
        [
            element(
                "Immunization",
                ("A dose of the immunization programme", "Mũi tiêm chủng"),
                constraint=[*_time(), _after_birth(), _birth_dose(), *_content()],
            ),
            demanded(
                "Immunization.extension:programType",
                ("Kind of programme: tcmr, dich-vu or chien-dich", "Loại chương trình: tcmr, dich-vu hoặc chien-dich"),
                "QĐ 2780/QĐ-BYT of 29/08/2025 (expanded programme 2026–2028): doses are counted by programme",
            ),
            element(
                "Immunization.extension:reconstitution",
                ("Diluent and time of reconstitution", "Dung môi và thời điểm pha hồi chỉnh"),
                max="1",
                type=extension(DILUENT),
                mustSupport=True,
            ),
            element(
                "Immunization.vaccineCode",
                ("Vaccine, with the product's code where it is known", "Vắc xin, kèm mã sản phẩm nếu biết"),
                requirements=f"{DATASET}: the vaccine is a mandatory field of a dose",
                binding=bound("extensible", value_set("vaccine")),
            ),
            element(
                "Immunization.occurrence[x]",
                ("When the dose was given or should have been", "Thời điểm tiêm hoặc dự kiến tiêm"),
                requirements="QĐ 3891/QĐ-BYT: the date is a mandatory field of a dose",
                type=[{"code": "dateTime"}],
            ),
            element("Immunization.recorded", ("When it was written down", "Thời điểm ghi nhận"), mustSupport=True),
            element("Immunization.manufacturer", ("Manufacturer", "Nhà sản xuất"), mustSupport=True),
            element("Immunization.lotNumber", ("Lot", "Số lô"), mustSupport=True),
            element("Immunization.expirationDate", ("Expiry of the lot", "Hạn dùng"), mustSupport=True),
            element(
                "Immunization.site",
                ("Where in the body", "Vị trí tiêm"),
                requirements=EXACT,
                mustSupport=True,
                binding=bound("extensible", value_set("site")),
            ),
            element(
                "Immunization.route",
                ("How it was given", "Đường dùng"),
                requirements=EXACT,
                mustSupport=True,
                binding=bound("extensible", value_set("route")),
            ),
            element(
                "Immunization.performer",
                ("Who gave the dose: facility and person", "Cơ sở và người tiêm"),
                mustSupport=True,
            ),
            element(
                "Immunization.fundingSource",
                ("Who paid", "Nguồn chi trả"),
                requirements="QĐ 2780/QĐ-BYT of 29/08/2025: the expanded programme is paid by the state",
                mustSupport=True,
                binding=bound("extensible", value_set("funding-source")),
            ),
            element(
                "Immunization.protocolApplied.targetDisease",
                ("Disease that the dose protects from", "Bệnh được phòng"),
                requirements="QĐ 3891/QĐ-BYT: the antigen is a mandatory field of a dose",
                min=1,
                binding=bound("extensible", value_set("target-disease")),
            ),
            element(
                "Immunization.protocolApplied.doseNumber[x]",
                ("Number of the dose in its series", "Mũi thứ mấy"),
                requirements="QĐ 3891/QĐ-BYT: dose order is a mandatory field of a dose",
                type=[{"code": "positiveInt"}],
            ),
        ],
        "TT 13/2026/TT-BYT; the dose fields of QĐ 3891/QĐ-BYT (18/12/2025), whose validity after 01/07/2026 is not "
        "verified.",
    )


def _medication() -> Json:
    return structure(
        "vn-imm-medication",
        url("vn-core-medication"),
        ("Lot of a vaccine", "Lô vắc xin"),
        "A vaccine by product and lot, as it is on the vial.",
        [
            element("Medication", ("Lot of a vaccine", "Lô vắc xin")),
            element(
                "Medication.extension:registrationNumber",
                ("Registration number", "Số đăng ký"),
                mustSupport=True,
            ),
            demanded(
                "Medication.code",
                ("Vaccine", "Vắc xin"),
                LOT,
                binding=bound("extensible", value_set("vaccine")),
                mustSupport=True,
            ),
            element("Medication.manufacturer", ("Manufacturer", "Nhà sản xuất"), mustSupport=True),
            demanded("Medication.batch", ("Lot", "Lô"), LOT),
            demanded("Medication.batch.lotNumber", ("Number of the lot", "Số lô"), LOT),
            demanded("Medication.batch.expirationDate", ("Expiry", "Hạn dùng"), LOT),
        ],
        f"{LOT}. Luật 44/2024/QH15.",
    )
