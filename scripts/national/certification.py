"""Codes of a dose's way to a certificate, as this server writes them.

QĐ 5772/QĐ-BYT of 20/12/2021 · CV 1908/BYT-CNTT of 15/04/2022
"""

from collections.abc import Iterator

from scripts.national.codes import TRANSLATED, system
from scripts.national.notation import OWN, PROGRAMME, Json, Text
from scripts.national.tables import Facts, Row, concept, naming_system

STEPS = Facts("high", ("QĐ 5772/QĐ-BYT of 20/12/2021: verified, signed by the facility, issued by the ministry",))
SERVER = Facts("high", ("this project: what the server writes",))

SYSTEMS: tuple[tuple[str, Text, str, Facts, tuple[Row, ...]], ...] = (
    (
        "dose-step",
        ("Steps of a dose to its certificate", "Các bước xác nhận mũi tiêm"),
        f"How far a dose has come. {TRANSLATED}",
        STEPS,
        (
            ("entered", "Đã nhập", "Entered"),
            ("verified", "Đã xác minh", "Verified"),
            ("signed", "Cơ sở đã ký số", "Signed by the facility"),
            ("issued", "Đã cấp chứng nhận", "Certificate issued"),
        ),
    ),
    (
        "verification-method",
        ("How a dose was verified", "Cách xác minh mũi tiêm"),
        f"By what the person and the dose were verified. {TRANSLATED}",
        SERVER,
        (
            ("population-database", "Cơ sở dữ liệu quốc gia về dân cư", "National population database"),
            ("identity-document", "Giấy tờ tùy thân", "Identity document"),
            ("paper-record", "Phiếu, sổ tiêm chủng", "Paper record"),
            ("person-present", "Đối tượng có mặt", "The person was present"),
        ),
    ),
    (
        "organization-role",
        ("What an organisation does for another", "Vai trò giữa các đơn vị"),
        f"Role in OrganizationAffiliation. {TRANSLATED}",
        Facts("high", ("CV 1908/BYT-CNTT of 15/04/2022: a province may appoint a signer for its facilities",)),
        (("dose-signer", "Ký số thay cơ sở", "Signs the doses of another"),),
    ),
    (
        "certificate-format",
        ("Formats of certificates", "Định dạng chứng nhận"),
        f"The formats that the server issues. {TRANSLATED}",
        SERVER,
        (
            ("hc1", "Chứng nhận EU (HC1)", "EU Digital COVID Certificate (HC1)"),
            ("shc", "SMART Health Card", "SMART Health Card"),
            ("icvp", "Chứng nhận tiêm chủng quốc tế (WHO ICVP)", "WHO International Certificate of Vaccination (ICVP)"),
            ("vds-nc", "Dấu hiệu số ICAO (VDS-NC)", "ICAO Visible Digital Seal (VDS-NC)"),
        ),
    ),
)


def resources() -> Iterator[Json]:
    """Yield the code systems with a value set each, and the naming system of a dose's digest."""
    for id, title, about, facts, rows in SYSTEMS:
        yield from system(id, title, about, facts, map(concept, rows))
    yield naming_system(
        "sha-256",
        "SHA-256 of what is attested of a dose, as the steps to its certificate name it. Form: 64 hexadecimal digits.",
        SERVER,
        f"{OWN}/sid/sha-256",
        publisher=PROGRAMME.publisher,
    )
