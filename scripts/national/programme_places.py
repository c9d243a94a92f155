"""Set C, continued: facilities and the places where doses are given.

QĐ 384/QĐ-BYT 2019 · QĐ 1551/QĐ-BYT of 31/05/2026 · TT 13/2026/TT-BYT Điều 12
"""

from collections.abc import Iterator

from scripts.national import programme_addresses
from scripts.national.basis import FACILITY, GLN, demanded, own, structure, value_set
from scripts.national.community import url
from scripts.national.notation import Json, Text, bound, element, numbered, reference, rule
from scripts.national.numbers import form


def definitions() -> Iterator[Json]:
    """Yield the profiles of places."""
    yield _organization()
    yield _location()


def _organization() -> Json:
    digits = " + ".join(f"{'' if place % 2 == 0 else '3 * '}substring({place}, 1).toInteger()" for place in range(13))
    gln: Text = ("Global location number", "Mã địa điểm toàn cầu (GLN)")
    return structure(
        "vn-imm-organization",
        url("vn-core-organization"),
        ("Facility of the immunization programme", "Cơ sở tiêm chủng"),
        "Who gives doses, keeps records or supervises.",
        [
            element("Organization", ("A facility or authority", "Cơ sở, đơn vị")),
            element(
                "Organization.identifier:CSKCB.value",
                requirements=FACILITY,
                constraint=[
                    form(
                        "vn-imm-facility-code-format",
                        (
                            "A facility code has 5 digits or capital letters: copy it from the decision that gave it",
                            "Mã cơ sở có 5 chữ số hoặc chữ in hoa: hãy ghi đúng theo quyết định cấp mã",
                        ),
                        "^[0-9A-Z]{5}$",
                        "QĐ 384/QĐ-BYT 2019",
                    )
                ],
            ),
            *numbered(
                "Organization",
                "GLN",
                GLN,
                gln,
                requirements="QĐ 1551/QĐ-BYT of 31/05/2026: facilities have a GLN of 13 digits",
                rules=[
                    form(
                        "vn-imm-gln-format",
                        (
                            "A global location number (GLN) has 13 digits: correct it",
                            "Mã địa điểm toàn cầu (GLN) có 13 chữ số: hãy sửa lại",
                        ),
                        "^[0-9]{13}$",
                        "QĐ 1551/QĐ-BYT of 31/05/2026",
                    ),
                    rule(
                        "vn-imm-gln-check-digit",
                        "error",
                        (
                            "The check digit of the global location number (GLN) is wrong: compare the number with "
                            "its certificate",
                            "Số kiểm tra của mã GLN không đúng: hãy đối chiếu với giấy chứng nhận",
                        ),
                        f"$this.matches('^[0-9]{{13}}$').not() or ({digits}) mod 10 = 0",
                        "QĐ 1551/QĐ-BYT of 31/05/2026; GS1 General Specifications, check digit of a GLN",
                    ),
                ],
            ),
            element(
                "Organization.type",
                ("Kind of facility", "Loại cơ sở"),
                requirements=FACILITY,
                mustSupport=True,
                binding=bound("extensible", value_set("facility-type")),
            ),
            element("Organization.address", constraint=programme_addresses.rules()),
            demanded("Organization.name", ("Name", "Tên cơ sở"), FACILITY, mustSupport=True),
            element("Organization.partOf", ("The unit above it", "Đơn vị cấp trên"), mustSupport=True),
        ],
        f"{FACILITY}; QĐ 1551/QĐ-BYT of 31/05/2026.",
    )


def _location() -> Json:
    return structure(
        "vn-imm-location",
        url("vn-core-location"),
        ("Place where doses are given", "Điểm tiêm chủng"),
        "Where a session is held, and who answers for it.",
        [
            element("Location", ("Place where doses are given", "Điểm tiêm chủng")),
            demanded("Location.name", ("Name", "Tên"), "QĐ 3891/QĐ-BYT: the facility of a dose", mustSupport=True),
            element(
                "Location.address",
                ("Address", "Địa chỉ"),
                requirements="QĐ 19/2025/QĐ-TTg",
                type=[{"code": "Address", "profile": [url("vn-core-address")]}],
                constraint=programme_addresses.rules(),
                mustSupport=True,
            ),
            demanded(
                "Location.managingOrganization",
                ("The facility that answers for it", "Cơ sở chịu trách nhiệm"),
                "TT 13/2026/TT-BYT Điều 12: the facility answers for a session",
                type=reference(own("vn-imm-organization"), url("vn-core-organization")),
            ),
        ],
        "TT 13/2026/TT-BYT; QĐ 3891/QĐ-BYT.",
    )
