"""Set A: the profiles and extensions of the VN Core community draft, as far as its published pages show their rows.

https://hl7.org.vn/en/knowledge/vn-core-artifacts/ · https://fhir.hl7.org.vn/core · CC-BY-4.0

A row that was not visible is not written; a URL that was inferred from its siblings is said to be.
"""

from collections.abc import Iterator
from typing import Any

from scripts.national.notation import (
    COMMUNITY,
    CORE,
    R4,
    Json,
    Text,
    by,
    element,
    extension,
    profile,
    reference,
    rule,
    simple_extension,
)

CCCD, BHYT = f"{CORE}/sid/cccd", f"{CORE}/sid/bhyt"
PARTIAL = (
    "Community draft: only the rows visible in the published pages are here; load the official package in its place "
    "when you have it."
)
CCCD_FORMAT = rule(
    "vn-cccd-format",
    "error",
    (
        "A citizen number (CCCD) has exactly 12 digits and nothing else: compare it with the card and write digits "
        "only",
        "Số định danh cá nhân/CCCD có đúng 12 chữ số: hãy đối chiếu với thẻ và chỉ ghi chữ số",
    ),
    "$this.matches('^[0-9]{12}$')",
    "NĐ 137/2015/NĐ-CP Điều 13; Luật Căn cước 26/2023/QH15 Điều 12. VN Core writes value.matches('[0-9]{12}') on the "
    "identifier, which does not refuse a number of 13 digits; it is anchored here, and stands on the value.",
)
ADDRESS_PROVINCE = rule(
    "vn-addr-province",
    "warning",
    (
        "An address in Vietnam (country = 'VN') names its province: add the extension vn-ext-province",
        "Địa chỉ Việt Nam (country = 'VN') phải có mã tỉnh: hãy thêm phần mở rộng vn-ext-province",
    ),
    "country.empty() or country != 'VN' or "
    f"extension.where(url = '{CORE}/StructureDefinition/vn-ext-province').exists()",
    "NQ 202/2025/QH15; QĐ 19/2025/QĐ-TTg",
)
DOCUMENT_FIRST = rule(
    "vn-bundle-document-first",
    "error",
    (
        "A document begins with its Composition: put the Composition into the first entry",
        "Bundle loại document bắt đầu bằng Composition: hãy đặt Composition ở entry đầu tiên",
    ),
    "type = 'document' implies entry.first().resource.ofType(Composition).exists()",
    "TT 13/2025/TT-BYT, as VN Core states it; key seen, expression not visible: this one is the project's reading",
)


def url(id: str) -> str:
    """Return the canonical URL of a definition of VN Core."""
    return f"{CORE}/StructureDefinition/{id}"


def structure(id: str, base: str, title: Text, about: str, elements: list[Json], basis: str = "") -> Json:
    """Return a profile of VN Core."""
    return profile(COMMUNITY, id, base, title, f"{about} {PARTIAL}", elements, basis)


def part(id: str, title: Text, contexts: list[str], value: Json, note: str = "") -> Json:
    """Return an extension of VN Core."""
    return simple_extension(COMMUNITY, id, title, contexts, value, f"{note} {PARTIAL}".strip(), max="1")


def definitions() -> Iterator[Json]:
    """Yield every StructureDefinition of the set."""
    yield from _people()
    yield from _places()


def identifier(type: str, slice: str, system: str, short: Text, **facts: Any) -> list[Json]:
    """Return a slice of `type`.identifier by its system."""
    path = f"{type}.identifier:{slice}"
    return [element(path, short, **facts), element(f"{path}.system", fixedUri=system)]


def _people() -> Iterator[Json]:
    yield structure(
        "vn-core-patient",
        "Patient",
        ("VN Core Patient", "Bệnh nhân VN Core"),
        "A person who receives care. The constraint vn-patient-force-majeure-reason exists, its expression was not "
        "visible.",
        [
            element("Patient", ("A person who receives care", "Người bệnh")),
            element("Patient.extension", slicing=by("url")),
            element(
                "Patient.extension:ethnicity",
                ("Ethnic group", "Dân tộc"),
                max="1",
                type=extension(url("vn-ext-ethnicity")),
            ),
            element(
                "Patient.extension:religion",
                ("Religion", "Tôn giáo"),
                max="1",
                type=extension(f"{R4}/patient-religion"),
            ),
            element(
                "Patient.extension:occupation",
                ("Occupation", "Nghề nghiệp"),
                max="1",
                type=extension(url("vn-ext-occupation")),
            ),
            element(
                "Patient.identifier",
                ("Numbers of the person (CCCD, BHYT, hospital)", "Định danh bệnh nhân (CCCD, BHYT, MRN...)"),
                slicing=by("system"),
                min=1,
                mustSupport=True,
            ),
            *identifier(
                "Patient",
                "CCCD",
                CCCD,
                ("Citizen number (CCCD)", "Số CCCD"),
                max="1",
                mustSupport=True,
            ),
            element(
                "Patient.identifier:CCCD.value",
                ("Citizen number (CCCD)", "Số định danh cá nhân / CCCD"),
                constraint=[CCCD_FORMAT],
            ),
            *identifier("Patient", "BHYT", BHYT, ("Health insurance number", "Số thẻ bảo hiểm y tế")),
            element("Patient.name", ("Name", "Họ tên bệnh nhân"), min=1, mustSupport=True),
            element(
                "Patient.name.text",
                ("Full name, recommended for Vietnamese names", "Họ tên đầy đủ (khuyến khích dùng cho tên VN)"),
                mustSupport=True,
            ),
            element("Patient.name.family", ("Family name", "Họ"), mustSupport=True),
            element("Patient.name.given", ("Middle and given names", "Tên đệm và tên"), mustSupport=True),
            element(
                "Patient.address",
                ("Address", "Địa chỉ"),
                type=[{"code": "Address", "profile": [url("vn-core-address")]}],
            ),
        ],
        "NĐ 102/2025/NĐ-CP Điều 6: the 12-digit personal number is the health identifier",
    )
    yield structure(
        "vn-core-practitioner",
        "Practitioner",
        ("VN Core Practitioner", "Nhân viên y tế VN Core"),
        "A health worker. The system of the slice GPHN is inferred from its siblings; the code of the pattern on "
        "identifier:CCCD.type was not visible.",
        [
            element("Practitioner", ("A health worker", "Nhân viên y tế")),
            element(
                "Practitioner.identifier",
                ("Numbers of the health worker", "Định danh NVYT (CCCD, GPHN, CCHN legacy)"),
                slicing=by("system"),
                min=1,
                mustSupport=True,
            ),
            *identifier(
                "Practitioner",
                "CCCD",
                CCCD,
                ("Citizen number (CCCD)", "Số CCCD, mã định danh y tế của nhân lực"),
                max="1",
                mustSupport=True,
            ),
            *identifier("Practitioner", "GPHN", f"{CORE}/sid/gphn", ("Practising licence", "Giấy phép hành nghề")),
            *identifier(
                "Practitioner",
                "CCHN",
                f"{CORE}/sid/cchn",
                ("Practising certificate, before 2024", "Chứng chỉ hành nghề (cũ)"),
            ),
            element("Practitioner.qualification", ("Qualification", "Trình độ chuyên môn")),
        ],
        "NĐ 102/2025/NĐ-CP Điều 6; NĐ 96/2023/NĐ-CP",
    )
    yield structure(
        "vn-core-practitioner-role",
        "PractitionerRole",
        ("VN Core PractitionerRole", "Vai trò nhân viên y tế VN Core"),
        "Who works where and as what. Only the description was visible: code is the professional title (V.08).",
        [
            element("PractitionerRole", ("What a health worker does where", "Vai trò của nhân viên y tế")),
            element("PractitionerRole.practitioner", type=reference(url("vn-core-practitioner"))),
            element("PractitionerRole.organization", type=reference(url("vn-core-organization"))),
            element("PractitionerRole.code", ("Professional title (V.08)", "Chức danh nghề nghiệp mã V.08")),
            element("PractitionerRole.specialty", ("Specialty", "Chuyên khoa hành nghề")),
        ],
    )
    yield structure(
        "vn-core-relatedperson",
        "RelatedPerson",
        ("VN Core RelatedPerson", "Người liên quan/người giám hộ VN Core"),
        "Mother, father, guardian. 0.6.0 has an extension for the authority to represent, whose URL was not visible; "
        "the slice VNEID of 0.3.0 is left out, for its NamingSystem is retired.",
        [
            element("RelatedPerson", ("Related person or guardian", "Người liên quan, người giám hộ")),
            element(
                "RelatedPerson.identifier",
                ("Numbers of the related person", "Định danh người liên quan"),
                slicing=by("system"),
                mustSupport=True,
            ),
            *identifier("RelatedPerson", "CCCD", CCCD, ("Citizen number (CCCD)", "Số CCCD"), max="1", mustSupport=True),
        ],
    )


def _places() -> Iterator[Json]:
    yield structure(
        "vn-core-address",
        "Address",
        ("VN Core Address", "Địa chỉ VN Core"),
        "An address by the units of QĐ 19/2025/QĐ-TTg.",
        [
            element("Address", ("An address", "Địa chỉ"), constraint=[ADDRESS_PROVINCE]),
            element("Address.extension", slicing=by("url")),
            element(
                "Address.extension:province",
                ("Province code by QĐ 19/2025", "Mã tỉnh/thành phố (QĐ 19/2025)"),
                max="1",
                type=extension(url("vn-ext-province")),
                mustSupport=True,
            ),
            element(
                "Address.extension:ward",
                ("Commune code by QĐ 19/2025", "Mã xã/phường (QĐ 19/2025)"),
                max="1",
                type=extension(url("vn-ext-ward")),
                mustSupport=True,
            ),
            element("Address.district", ("Older addresses only", "Chỉ dùng cho địa chỉ cũ")),
        ],
        "NQ 202/2025/QH15; QĐ 19/2025/QĐ-TTg",
    )
    yield structure(
        "vn-core-organization",
        "Organization",
        ("VN Core Organization", "Cơ sở y tế VN Core"),
        "A health facility. The slices organizationRank, healthUnitRank, organizationRankStatus, facilityCareLevel and "
        "qualityScoreBand exist, the URLs of their extensions were not visible.",
        [
            element("Organization", ("A health facility", "Cơ sở y tế")),
            element("Organization.extension", slicing=by("url")),
            element(
                "Organization.extension:organizationType",
                ("Kind of facility", "Loại cơ sở"),
                max="1",
                type=extension(url("vn-ext-org-type")),
                mustSupport=True,
            ),
            element(
                "Organization.extension:organizationLevel",
                ("Administrative level", "Cấp quản lý hành chính (TW, Tỉnh, Xã)"),
                max="1",
                type=extension(url("vn-ext-org-level")),
                mustSupport=True,
            ),
            element("Organization.identifier", slicing=by("system")),
            *identifier(
                "Organization",
                "CSKCB",
                f"{CORE}/sid/ma-cskcb",
                ("Facility code of the health insurance", "Mã cơ sở khám chữa bệnh"),
            ),
            element(
                "Organization.address",
                ("Address", "Địa chỉ"),
                type=[{"code": "Address", "profile": [url("vn-core-address")]}],
            ),
        ],
        "Luật Khám bệnh, chữa bệnh 2023 Điều 47-48; NĐ 96/2023/NĐ-CP; NĐ 102/2025/NĐ-CP",
    )
    yield structure(
        "vn-core-organization-department",
        "Organization",
        ("VN Core department", "Khoa/Phòng VN Core"),
        "A department of a facility. Its codes K01 to K53 and K99 (QĐ 2010/QĐ-BYT) were not visible.",
        [
            element("Organization", ("A department", "Khoa, phòng")),
            element("Organization.partOf", ("The facility it is part of", "Thuộc cơ sở"), min=1),
        ],
        "QĐ 2010/QĐ-BYT of 19/06/2025, annex 6",
    )
    yield structure(
        "vn-core-location",
        "Location",
        ("VN Core Location", "Địa điểm cung cấp dịch vụ VN Core"),
        "A place of service, such as a room. Only the description was visible.",
        [
            element("Location", ("A place of service", "Địa điểm cung cấp dịch vụ")),
            element("Location.partOf", type=reference(url("vn-core-location"))),
        ],
    )
