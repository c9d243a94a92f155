"""Set C: people, as the immunization programme's profiles; built on the visible rows of VN Core.

National immunization data set of QĐ 3891/QĐ-BYT · TT 13/2026/TT-BYT · numbers of people: NĐ 137/2015/NĐ-CP Điều 13

Every rule names its regulation. The data set was read in part (20 mandatory of 44 fields), and whether it holds after
01/07/2026 is not verified: what only it demands is a warning, but for the number, name, birth date and sex.
"""

from collections.abc import Iterator

from scripts.national import programme_addresses
from scripts.national.basis import (
    BIRTH_NUMBER,
    CMND,
    DATASET,
    EXACT,
    NUMBER,
    PASSPORT,
    PERSON,
    PRACTICE,
    UNVERIFIED,
    WARD,
    demanded,
    own,
    structure,
    value_set,
)
from scripts.national.community import BHYT, CCCD, url
from scripts.national.notation import CORE, R4, Json, bound, element, extension, reference, rule
from scripts.national.numbers import citizen_number, of_patient


def definitions() -> Iterator[Json]:
    """Yield the profiles of people."""
    yield _patient()
    yield _related_person()
    yield _practitioner()
    yield _practitioner_role()


def _known_place(path: str) -> str:
    """Return the expression: one of the addresses at `path` names its commune (and so its province) or lies abroad."""
    older = own("vn-imm-ext-unit-before-2025")
    here = " or ".join(f"country = '{name}'" for name in ("VN", "VNM", "Việt Nam", "Viet Nam", "Vietnam"))
    abroad = f"(country.exists() and ({here}).not())"
    return f"{path}.where(extension.where(url = '{WARD}' or url = '{older}').exists() or {abroad}).exists()"


def _address(key: str, name: tuple[str, str], path: str, where: tuple[str, str]) -> Json:
    return rule(
        key,
        "warning",
        (
            f"The record does not say {name[0]} as commune and province: add {where[0]} with vn-ext-ward and "
            "vn-ext-province",
            f"Bản ghi chưa có {name[1]} (cấp xã và cấp tỉnh): hãy thêm {where[1]} có vn-ext-ward và vn-ext-province",
        ),
        _known_place(path),
        UNVERIFIED,
    )


def _extended(name: str) -> tuple[str, str]:
    return f"the extension {name}", f"phần mở rộng {name}"


def _of_extension(id: str) -> str:
    return f"extension.where(url = '{id}').value"


def _whole_person() -> list[Json]:
    """Return the rules on a person as a whole."""
    systems = " or ".join(f"system = '{system}'" for system in (CCCD, BHYT, PASSPORT, CMND, NUMBER, BIRTH_NUMBER))
    twelve = "matches('^[0-9]{12}$')"
    status = _of_extension(own("vn-imm-ext-subject-status"))
    return [
        rule(
            "vn-imm-patient-identifier",
            "error",
            (
                "A person of the programme is known by a number: add a citizen number (CCCD), insurance number, "
                "passport, birth certificate or the programme's own number",
                "Đối tượng tiêm chủng phải có số định danh: hãy thêm CCCD, số BHYT, hộ chiếu, giấy chứng sinh hoặc mã "
                "tiêm chủng",
            ),
            f"identifier.where(({systems}) and value.hasValue()).exists()",
            f"{DATASET}: the subject's number is mandatory (validity after 01/07/2026 not verified); NĐ "
            "102/2025/NĐ-CP Điều 6. Newborns get their citizen number days or weeks after the first doses",
        ),
        rule(
            "vn-imm-temporary-number",
            "error",
            (
                "A temporary number of 12 digits would be taken for a citizen number: put a letter before it",
                "Mã tạm có 12 chữ số dễ nhầm với CCCD: hãy thêm chữ cái ở đầu",
            ),
            f"identifier.where(use = 'temp' and value.{twelve}).empty()",
            "Luật Căn cước 26/2023/QH15 Điều 12: 12 digits are the personal number, and nothing else may look like it",
        ),
        *citizen_number("vn-imm-cccd")[1],
        rule(
            "vn-imm-bhyt-is-cccd",
            "warning",
            (
                "An insurance number of 12 digits is the citizen number, and these two differ: compare both with the "
                "cards",
                "Số BHYT có 12 chữ số chính là số định danh cá nhân, nhưng hai số khác nhau: hãy đối chiếu với thẻ",
            ),
            f"identifier.where(system = '{CCCD}' and value.hasValue()).empty() or identifier.where(system = '{BHYT}')"
            f".value.where({twelve}).all($this in %resource.identifier.where(system = '{CCCD}').value)",
            "NĐ 188/2025/NĐ-CP: since 15/08/2025 the personal number is the insurance number",
        ),
        rule(
            "vn-imm-name",
            "error",
            (
                "The person's full name is missing: write it into name.text, or its parts into family and given",
                "Thiếu họ tên đầy đủ: hãy ghi vào name.text, hoặc ghi family và given",
            ),
            "name.empty() or name.where(text.exists() or given.exists()).exists()",
            f"{UNVERIFIED}: the full name is mandatory",
        ),
        rule(
            "vn-imm-born-already",
            "error",
            (
                "The birth date lies in the future: correct birthDate",
                "Ngày sinh ở tương lai: hãy sửa birthDate",
            ),
            "iif(birthDate > today(), false, true)",
            EXACT,
        ),
        rule(
            "vn-imm-deceased-after-birth",
            "error",
            (
                "The person died before birth: correct birthDate or deceasedDateTime",
                "Ngày mất trước ngày sinh: hãy sửa birthDate hoặc deceasedDateTime",
            ),
            "iif(birthDate > deceased.ofType(dateTime), false, true)",
            EXACT,
        ),
        rule(
            "vn-imm-subject-status",
            "error",
            (
                "The subject's status and deceased[x] contradict each other: correct the one that is wrong",
                "Tình trạng đối tượng và deceased[x] mâu thuẫn nhau: hãy sửa thông tin sai",
            ),
            f"{status}.where(($this = '2' and %resource.deceased.where($this != false).empty()) or "
            "($this = '1' and %resource.deceased.where($this != false).exists())).empty()",
            f"{UNVERIFIED}: subject status 1 alive, 2 dead, 3 missing, 0 no information",
        ),
        rule(
            "vn-imm-ethnicity",
            "warning",
            (
                "The record does not say the ethnic group: add the extension vn-ext-ethnicity (99: unknown)",
                "Bản ghi chưa có dân tộc: hãy thêm phần mở rộng vn-ext-ethnicity (99: không rõ)",
            ),
            f"extension.where(url = '{url('vn-ext-ethnicity')}').exists()",
            UNVERIFIED,
        ),
        _address(
            "vn-imm-address-permanent",
            ("the permanent residence", "nơi thường trú"),
            "address.where(use = 'home')",
            ("an address with use home", "địa chỉ (use = home)"),
        ),
        _address(
            "vn-imm-address-current",
            ("the current residence", "nơi ở hiện tại"),
            "address.where(type = 'physical' or type = 'both')",
            ("an address with type physical", "địa chỉ (type = physical)"),
        ),
        _address(
            "vn-imm-birth-place",
            ("the place of birth", "nơi sinh"),
            _of_extension(f"{R4}/patient-birthPlace"),
            _extended("patient-birthPlace"),
        ),
        _address(
            "vn-imm-birth-registration",
            ("where the birth was registered", "nơi đăng ký khai sinh"),
            _of_extension(own("vn-imm-ext-birth-registration")),
            _extended("vn-imm-ext-birth-registration"),
        ),
        _address(
            "vn-imm-native-place",
            ("the native place", "quê quán"),
            _of_extension(own("vn-imm-ext-native-place")),
            _extended("vn-imm-ext-native-place"),
        ),
    ]


def _patient() -> Json:
    elements = [
        element(
            "Patient",
            ("A person of the immunization programme", "Đối tượng tiêm chủng"),
            constraint=_whole_person(),
        ),
        *(
            element(f"Patient.extension:{name}", short, max="1", type=extension(definition), mustSupport=True)
            for name, short, definition in (
                ("nationality", ("Nationality", "Quốc tịch"), f"{R4}/patient-nationality"),
                ("birthPlace", ("Place of birth", "Nơi sinh"), f"{R4}/patient-birthPlace"),
                (
                    "birthRegistration",
                    ("Where the birth was registered", "Nơi đăng ký khai sinh"),
                    own("vn-imm-ext-birth-registration"),
                ),
                ("nativePlace", ("Native place", "Quê quán"), own("vn-imm-ext-native-place")),
                ("education", ("Education", "Trình độ học vấn"), own("vn-imm-ext-education-level")),
                ("subjectStatus", ("Status", "Tình trạng đối tượng"), own("vn-imm-ext-subject-status")),
            )
        ),
        element("Patient.extension:birthPlace.value[x]", constraint=programme_addresses.rules()),
        element("Patient.address", constraint=programme_addresses.rules()),
        element(
            "Patient.extension:occupation.value[x]",
            ("Occupation", "Nghề nghiệp"),
            requirements="QĐ 4069/2001/QĐ-BYT",
            binding=bound("extensible", value_set("occupation")),
        ),
        demanded(
            "Patient.identifier.system",
            ("The system that the number belongs to", "Hệ thống cấp mã"),
            f"{DATASET}: the kind of the subject's number",
        ),
        *of_patient(),
        demanded("Patient.gender", ("Sex as registered", "Giới tính theo đăng ký"), f"{DATASET}: sex is mandatory"),
        demanded(
            "Patient.birthDate",
            ("Date of birth, as far as known", "Ngày sinh (hoặc tháng, năm nếu không rõ ngày)"),
            f"{DATASET}: the birth date is mandatory",
        ),
    ]
    return structure(
        "vn-imm-patient",
        url("vn-core-patient"),
        ("Patient of the immunization programme", "Đối tượng tiêm chủng"),
        "Who is registered for immunization: known by a number, with the forms of the Vietnamese numbers checked.",
        elements,
        "National immunization data set of QĐ 3891/QĐ-BYT (18/12/2025) as far as it is public; its validity after "
        "01/07/2026 is not verified.",
    )


def _related_person() -> Json:
    place, whole = citizen_number("vn-imm-related-cccd")
    format = rule(
        "vn-imm-related-cccd-format",
        "error",
        (
            "A citizen number (CCCD) has exactly 12 digits and nothing else: compare it with the card",
            "Số định danh cá nhân/CCCD có đúng 12 chữ số: hãy đối chiếu với thẻ",
        ),
        "$this.matches('^[0-9]{12}$')",
        "Luật Căn cước 26/2023/QH15 Điều 12",
    )
    reach = rule(
        "vn-imm-related-reach",
        "warning",
        (
            "Nobody could be found by this record: add a name, a number or a telephone",
            "Bản ghi không đủ để tìm được người liên quan: hãy thêm họ tên, số định danh hoặc số điện thoại",
        ),
        "name.exists() or identifier.exists() or telecom.exists()",
        f"{UNVERIFIED}: father, mother and guardian of the subject",
    )
    return structure(
        "vn-imm-related-person",
        url("vn-core-relatedperson"),
        ("Mother, father or guardian", "Cha, mẹ hoặc người giám hộ"),
        "Who answers for a child: by them newborns without a number are found again.",
        [
            element(
                "RelatedPerson",
                ("Mother, father or guardian", "Cha, mẹ hoặc người giám hộ"),
                constraint=[*whole, reach],
            ),
            element("RelatedPerson.address", constraint=programme_addresses.rules()),
            element("RelatedPerson.identifier:CCCD.value", requirements=PERSON, constraint=[format, place]),
            element(
                "RelatedPerson.patient",
                ("The child", "Trẻ"),
                requirements=DATASET,
                type=reference(own("vn-imm-patient"), url("vn-core-patient")),
            ),
            demanded(
                "RelatedPerson.relationship",
                ("What they are to the child", "Quan hệ với trẻ"),
                f"{DATASET}: father, mother or guardian",
                mustSupport=True,
                binding=bound("extensible", value_set("relationship")),
            ),
        ],
        f"{UNVERIFIED}.",
    )


def _practitioner() -> Json:
    format = rule(
        "vn-imm-staff-cccd-format",
        "error",
        (
            "A citizen number (CCCD) has exactly 12 digits and nothing else: compare it with the card",
            "Số định danh cá nhân/CCCD có đúng 12 chữ số: hãy đối chiếu với thẻ",
        ),
        "$this.matches('^[0-9]{12}$')",
        "NĐ 102/2025/NĐ-CP Điều 6: the personal number is the health worker's identifier",
    )
    licence = rule(
        "vn-imm-staff-licence",
        "warning",
        (
            "The record does not say by which licence this person works: add the licence (GPHN, CCHN) or the citizen "
            "number",
            "Bản ghi chưa có giấy phép hành nghề: hãy thêm GPHN, CCHN hoặc CCCD",
        ),
        "identifier.where("
        + " or ".join(f"system = '{CORE}/sid/{kind}'" for kind in ("gphn", "cchn", "cccd"))
        + ").exists()",
        PRACTICE,
    )
    return structure(
        "vn-imm-practitioner",
        url("vn-core-practitioner"),
        ("Health worker of the immunization programme", "Nhân viên tiêm chủng"),
        "Who screens, gives doses and follows up.",
        [
            element("Practitioner", ("A health worker", "Nhân viên y tế"), constraint=[licence]),
            element("Practitioner.identifier:CCCD.value", requirements=PERSON, constraint=[format]),
            demanded("Practitioner.name", ("Name", "Họ tên"), PRACTICE, mustSupport=True),
        ],
        f"{PRACTICE}; TT 13/2026/TT-BYT Điều 12.",
    )


def _practitioner_role() -> Json:
    return structure(
        "vn-imm-practitioner-role",
        url("vn-core-practitioner-role"),
        ("Role of a health worker at a facility", "Vai trò của nhân viên tại cơ sở"),
        "Who works where and as what, and since when.",
        [
            element("PractitionerRole", ("Role at a facility", "Vai trò tại cơ sở")),
            element("PractitionerRole.period", ("Since when", "Thời gian làm việc"), mustSupport=True),
            demanded(
                "PractitionerRole.practitioner",
                ("Who", "Nhân viên"),
                PRACTICE,
                type=reference(own("vn-imm-practitioner"), url("vn-core-practitioner")),
            ),
            demanded(
                "PractitionerRole.organization",
                ("Where", "Cơ sở"),
                PRACTICE,
                type=reference(own("vn-imm-organization"), url("vn-core-organization")),
            ),
            element("PractitionerRole.code", ("As what", "Chức danh"), mustSupport=True),
        ],
        f"{PRACTICE}.",
    )
