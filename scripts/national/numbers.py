"""The numbers by which a person of the programme is known, and what their digits say.

NĐ 137/2015/NĐ-CP Điều 13 · TT 59/2021/TT-BCA Điều 4 · NĐ 188/2025/NĐ-CP · QĐ 1351/QĐ-BHXH
"""

from collections.abc import Iterator

from scripts.national.basis import CHANGED, CMND, DATASET, NUMBER, PASSPORT, PERSON
from scripts.national.community import CCCD
from scripts.national.notation import Json, Text, element, numbered, rule
from terminology.places import PLACE_PREFIXES


def citizen_number(prefix: str) -> tuple[Json, list[Json]]:
    """Return the rule on the place digits of a citizen number, and those that compare it with the person.

    The keys begin with `prefix`: one profile's rules are told from another's.
    """
    known = "|".join(sorted(code[1:] for code in PLACE_PREFIXES))
    place = rule(
        f"{prefix}-place",
        "warning",
        (
            "The first 3 digits of the citizen number are no province where births were registered: compare the "
            "number with the card",
            "3 chữ số đầu của CCCD không phải mã tỉnh nơi đăng ký khai sinh: hãy đối chiếu số với thẻ",
        ),
        f"$this.matches('^0[0-9]{{11}}$').not() or $this.matches('^0({known})')",
        f"{PERSON}: digits 1-3 are one of the 63 provinces before 01/07/2025, or a country, whose codes were not "
        f"obtained: those that begin with 1 to 9 are let pass. {CHANGED}",
    )
    digits = f"identifier.where(system = '{CCCD}').value.where(matches('^[0-9]{{12}}$'))"
    sex = rule(
        f"{prefix}-sex",
        "warning",
        (
            "The 4th digit of the citizen number and the gender disagree (even: male, odd: female): compare both with "
            "the card; keep them when the person's record was changed by law",
            "Chữ số thứ 4 của CCCD không khớp giới tính (chẵn: nam, lẻ: nữ): hãy đối chiếu với thẻ; giữ nguyên nếu đã "
            "thay đổi hợp pháp",
        ),
        f"gender.where($this = 'male' or $this = 'female').empty() or {digits}.all("
        "substring(3, 1).toInteger() mod 2 = iif(%resource.gender = 'male', 0, 1))",
        f"{PERSON}. {CHANGED}",
    )
    birth = rule(
        f"{prefix}-birth",
        "warning",
        (
            "Digits 4 to 6 of the citizen number and the year of birth disagree: compare number and birth date with "
            "the card",
            "Chữ số 4–6 của CCCD không khớp năm sinh: hãy đối chiếu số và ngày sinh với thẻ",
        ),
        f"iif(birthDate.toString().matches('^[0-9]{{4}}'), {digits}.all(1900 + substring(3, 1).toInteger() div 2 * "
        "100 + substring(4, 2).toInteger() = %resource.birthDate.toString().substring(0, 4).toInteger()), true)",
        f"{PERSON}. {CHANGED}",
    )
    return place, [sex, birth]


def form(key: str, human: Text, pattern: str, basis: str) -> Json:
    """Return the rule that a number has the form `pattern`."""
    return rule(key, "error", human, f"$this.matches('{pattern}')", basis)


def of_patient() -> Iterator[Json]:
    """Yield the slices of Patient.identifier."""
    place, _ = citizen_number("vn-imm-cccd")
    yield element(
        "Patient.identifier:CCCD.value",
        (
            "Citizen number (CCCD), or a data-absent-reason extension for who has none yet",
            "Số CCCD, hoặc phần mở rộng data-absent-reason khi chưa có số",
        ),
        requirements="NĐ 102/2025/NĐ-CP Điều 6. Newborns get their number days or weeks after the first doses",
        min=1,
        constraint=[place],
    )
    yield element(
        "Patient.identifier:BHYT.value",
        ("Health insurance number", "Số thẻ bảo hiểm y tế"),
        requirements="NĐ 188/2025/NĐ-CP",
        min=1,
        constraint=[
            form(
                "vn-imm-bhyt-format",
                (
                    "A health insurance number has 12 digits (since 15/08/2025), 10 digits (since 01/04/2021) or 2 "
                    "capital letters and 13 digits (older cards): copy it from the card without spaces",
                    "Số thẻ BHYT có 12 chữ số (từ 15/08/2025), 10 chữ số (từ 01/04/2021) hoặc 2 chữ in hoa và 13 chữ "
                    "số (thẻ cũ): hãy ghi đúng theo thẻ, không có khoảng trắng",
                ),
                "^([0-9]{12}|[0-9]{10}|[A-Z]{2}[0-9]{13})$",
                "NĐ 188/2025/NĐ-CP (12 digits); the change of 01/04/2021 (10 digits); QĐ 1351/QĐ-BHXH of 16/11/2015 "
                "(15 characters)",
            ),
            rule(
                "vn-imm-bhyt-card",
                "warning",
                (
                    "On an older insurance card the 3rd character is 1 to 5 and the next two are a province (01 to "
                    "99): compare the number with the card",
                    "Trên thẻ BHYT cũ, ký tự thứ 3 là 1–5 và hai ký tự tiếp là mã tỉnh (01–99): hãy đối chiếu với thẻ",
                ),
                "$this.matches('^[A-Z]{2}[0-9]{13}$').not() or "
                "$this.matches('^[A-Z]{2}[1-5](0[1-9]|[1-9][0-9])[0-9]{10}$')",
                "QĐ 1351/QĐ-BHXH of 16/11/2015",
            ),
        ],
    )
    old_card: Text = ("Old identity card number (CMND)", "Số chứng minh nhân dân (CMND)")
    yield from numbered(
        "Patient",
        "CMND",
        CMND,
        old_card,
        requirements="NĐ 137/2015/NĐ-CP: cards before the citizen number, valid for old data",
        rules=[
            form(
                "vn-imm-cmnd-format",
                (
                    "An old identity card number (CMND) has 9 or 12 digits: copy it from the card, digits only",
                    "Số CMND có 9 hoặc 12 chữ số: hãy ghi đúng theo thẻ, chỉ ghi chữ số",
                ),
                "^([0-9]{9}|[0-9]{12})$",
                "The NamingSystem vn-cmnd-ns of VN Core; valid for old data",
            )
        ],
    )
    yield from numbered(
        "Patient",
        "passport",
        PASSPORT,
        ("Passport number", "Số hộ chiếu"),
        requirements=f"{DATASET}: the passport is one of the subject's numbers",
        rules=[
            form(
                "vn-imm-passport-format",
                (
                    "A passport number has 6 to 12 capital letters and digits: copy it from the passport without "
                    "spaces",
                    "Số hộ chiếu gồm 6 đến 12 chữ in hoa và chữ số: hãy ghi đúng theo hộ chiếu, không có khoảng trắng",
                ),
                "^[A-Z0-9]{6,12}$",
                "QĐ 3891/QĐ-BYT: the passport is one of the subject's numbers. The form is permissive on purpose, for "
                "foreign passports differ",
            )
        ],
    )
    yield from numbered(
        "Patient",
        "programme",
        NUMBER,
        ("The programme's own number", "Mã tiêm chủng"),
        requirements="QĐ 3421/QĐ-BYT of 28/07/2017: one number for life",
        rules=[
            form(
                "vn-imm-programme-format",
                (
                    "A programme number begins with a letter, so that nobody takes it for a citizen number, and has "
                    "at most 32 letters, digits, '-' or '.': correct it",
                    "Mã tiêm chủng bắt đầu bằng chữ cái (để không nhầm với CCCD), tối đa 32 chữ cái, chữ số, '-' hoặc "
                    "'.': hãy sửa lại",
                ),
                "^[A-Za-z][A-Za-z0-9.-]{0,31}$",
                "QĐ 3421/QĐ-BYT of 28/07/2017 (one number for life); its form is not public, so the number is opaque "
                "here",
            )
        ],
    )
