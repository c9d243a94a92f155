"""Set A, continued: records, exchange and the extensions.

https://hl7.org.vn/en/knowledge/vn-core-artifacts/ · https://fhir.hl7.org.vn/core · CC-BY-4.0
"""

from collections.abc import Iterator

from scripts.national.community import BHYT, DOCUMENT_FIRST, identifier, part, structure, url
from scripts.national.notation import CORE, Json, bound, by, element, extension, of_type, reference


def definitions() -> Iterator[Json]:
    """Yield the StructureDefinitions of records, exchange and extensions."""
    yield from _records()
    yield from _exchange()
    yield from _extensions()


def _records() -> Iterator[Json]:
    yield structure(
        "vn-core-immunization",
        "Immunization",
        ("VN Core Immunization", "Tiêm chủng VN Core"),
        "A dose of vaccine. The rows below Immunization.patient were not visible.",
        [
            element("Immunization", ("A dose given or not given", "Mũi tiêm đã tiêm hoặc không tiêm")),
            element("Immunization.extension", slicing=by("url")),
            element(
                "Immunization.extension:programType",
                ("Kind of programme: tcmr, dich-vu or chien-dich", "Loại chương trình: tcmr, dich-vu hoặc chien-dich"),
                max="1",
                type=extension(url("vn-ext-immunization-program-type")),
                mustSupport=True,
            ),
            element("Immunization.status", ("Status", "Trạng thái tiêm chủng"), mustSupport=True),
            element(
                "Immunization.statusReason",
                ("Why the dose was not given", "Lý do không tiêm hoặc không hoàn tất"),
                mustSupport=True,
                binding=bound("extensible", f"{CORE}/ValueSet/vn-immunization-status-reason-vs"),
            ),
            element(
                "Immunization.vaccineCode",
                ("Vaccine", "Loại vắc xin đã tiêm hoặc dự kiến tiêm"),
                mustSupport=True,
            ),
            element("Immunization.vaccineCode.coding", ("Codes of the vaccine", "Mã vắc xin"), min=1),
            element(
                "Immunization.patient",
                ("Who the dose is for", "Đối tượng tiêm chủng"),
                type=reference(url("vn-core-patient")),
                mustSupport=True,
            ),
        ],
        "Luật 114/2025/QH15; QĐ 2780/QĐ-BYT of 29/08/2025; TT 13/2025/TT-BYT",
    )
    yield structure(
        "vn-core-medication",
        "Medication",
        ("VN Core Medication", "Thuốc VN Core"),
        "A medicine. Nothing about vaccines was visible.",
        [
            element("Medication", ("A medicine", "Thuốc")),
            element("Medication.extension", slicing=by("url")),
            element(
                "Medication.extension:registrationNumber",
                ("Registration number", "Số đăng ký thuốc (SO_DANG_KY)"),
                max="1",
                type=extension(url("vn-ext-med-reg-number")),
            ),
            element("Medication.form", ("Dose form", "Dạng bào chế"), mustSupport=True),
        ],
        "Luật 44/2024/QH15; TT 37/2024/TT-BYT; QĐ 3176/QĐ-BYT",
    )
    yield structure(
        "vn-core-coverage",
        "Coverage",
        ("VN Core Coverage", "Thẻ BHYT VN Core"),
        "A health insurance card. Known from examples only; the URLs of the extensions for the kind of card and the "
        "primary care facility were not visible.",
        [
            element("Coverage", ("A health insurance card", "Thẻ bảo hiểm y tế")),
            element("Coverage.identifier", slicing=by("system")),
            *identifier("Coverage", "BHYT", BHYT, ("Health insurance number", "Số thẻ bảo hiểm y tế")),
        ],
    )


def _exchange() -> Iterator[Json]:
    yield structure(
        "vn-core-bundle",
        "Bundle",
        ("VN Core Bundle", "Gói trao đổi dữ liệu VN Core"),
        "Data that travel together: transaction, searchset, document or collection.",
        [element("Bundle", ("Data that travel together", "Gói trao đổi dữ liệu"), constraint=[DOCUMENT_FIRST])],
        "TT 13/2025/TT-BYT; QĐ 3176/QĐ-BYT; NĐ 164/2025/NĐ-CP",
    )
    yield structure(
        "vn-core-health-credential-bundle",
        url("vn-core-bundle"),
        ("VN Core health credential", "Bundle chứng nhận sức khỏe"),
        "What a SMART Health Card or Link carries: as little as possible.",
        [
            element("Bundle", ("Content of a health credential", "Nội dung chứng nhận sức khỏe")),
            element("Bundle.type", ("Always collection", "Luôn là collection"), fixedCode="collection"),
        ],
        "QĐ 1923/QĐ-BYT and NĐ 137/2024/NĐ-CP, as the guide cites them",
    )
    yield structure(
        "vn-core-consent",
        "Consent",
        ("VN Core Consent", "Đồng ý xử lý dữ liệu VN Core"),
        "Consent to the use of data. The constraint vn-consent-period-end-required and the URL of the value set of "
        "category were not visible.",
        [
            element("Consent", ("Consent to the use of data", "Đồng ý xử lý dữ liệu")),
            element("Consent.status", mustSupport=True),
            element("Consent.category", ("Kind of consent", "Loại đồng ý"), mustSupport=True),
            element("Consent.patient", min=1, type=reference(url("vn-core-patient")), mustSupport=True),
            element("Consent.dateTime", min=1, mustSupport=True),
        ],
        "Luật 91/2025/QH15; NĐ 356/2025/NĐ-CP",
    )
    yield structure(
        "vn-core-provenance",
        "Provenance",
        ("VN Core Provenance", "Nguồn gốc dữ liệu và chữ ký số VN Core"),
        "Where data come from, and their digital signature. Only the description was visible.",
        [element("Provenance", ("Origin and digital signature", "Nguồn gốc dữ liệu và chữ ký số"))],
        "NĐ 137/2024/NĐ-CP; TT 13/2025/TT-BYT",
    )
    yield structure(
        "vn-core-audit-event",
        "AuditEvent",
        ("VN Core AuditEvent", "Nhật ký truy cập dữ liệu VN Core"),
        "Sensitive data read, changed, shared or exported. Only the description was visible.",
        [element("AuditEvent", ("Access to sensitive data", "Truy cập dữ liệu nhạy cảm"))],
        "Luật 91/2025/QH15; NĐ 356/2025/NĐ-CP Điều 42",
    )


def _extensions() -> Iterator[Json]:
    coded, coding = of_type("CodeableConcept"), of_type("Coding")
    yield part(
        "vn-ext-immunization-program-type",
        ("Kind of immunization programme", "Loại chương trình tiêm chủng"),
        ["Immunization"],
        of_type("code", binding=bound("required", f"{CORE}/ValueSet/vn-immunization-program-type-vs")),
        "The canonical URL of the value set is inferred from its siblings.",
    )
    yield part(
        "vn-ext-ethnicity",
        ("Ethnic group", "Dân tộc"),
        ["Patient"],
        of_type("CodeableConcept", binding=bound("required", f"{CORE}/ValueSet/vn-ethnicity-vs")),
        "The canonical URL of the value set is inferred from its siblings.",
    )
    yield part("vn-ext-occupation", ("Occupation", "Nghề nghiệp"), ["Patient"], coded, "Its value set was not visible.")
    yield part(
        "vn-ext-province",
        ("Province code by QĐ 19/2025/QĐ-TTg", "Mã tỉnh/thành phố theo QĐ 19/2025/QĐ-TTg"),
        ["Address"],
        coding | {"binding": bound("extensible", f"{CORE}/ValueSet/vn-province-vs")},
        "The canonical URL of the value set is inferred from its siblings.",
    )
    yield part(
        "vn-ext-ward",
        ("Commune code by QĐ 19/2025/QĐ-TTg", "Mã xã, phường, đặc khu theo QĐ 19/2025/QĐ-TTg"),
        ["Address"],
        coding | {"binding": bound("extensible", f"{CORE}/ValueSet/vn-ward-vs")},
        "The canonical URL of the value set is inferred from its siblings.",
    )
    yield part(
        "vn-ext-org-type",
        ("Kind of facility", "Loại cơ sở y tế"),
        ["Organization"],
        coded | {"binding": bound("required", f"{CORE}/ValueSet/vn-organization-type-vs")},
        "Only 5 of its 8 codes were visible: the others cannot be checked here.",
    )
    yield part(
        "vn-ext-org-level",
        ("Administrative level of a facility", "Cấp quản lý hành chính"),
        ["Organization"],
        coded,
        "Its value set was not visible.",
    )
    yield part(
        "vn-ext-med-reg-number",
        ("Registration number of a medicine", "Số đăng ký thuốc"),
        ["Medication"],
        of_type("string"),
        "Version 0.1.0 called it vn-ext-med-registration-number.",
    )
    yield part(
        "vn-ext-device-registration-number",
        ("Registration number of a device", "Số đăng ký thiết bị"),
        ["Device"],
        of_type("Identifier"),
    )
