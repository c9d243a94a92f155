"""Set A, continued: code systems, value sets, numbers, search parameters, operations and roles of VN Core.

https://hl7.org.vn/en/knowledge/vn-core-artifacts/ · https://hl7.org.vn/en/conformance/ · CC-BY-4.0
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.national.community import PARTIAL
from scripts.national.notation import ATTRIBUTION, COMMUNITY, CORE, PROGRAMME, Json, Text, head
from scripts.national.tables import Facts, code_system, concept, listed, naming_system, value_set

INFERRED = "The canonical URL of the value set is inferred from its siblings."
FRAGMENT = "Only these codes were visible: others cannot be checked here."

# id, complete, title, note
SYSTEMS: tuple[tuple[str, bool, Text, str], ...] = (
    ("vn-immunization-program-type-cs", True, ("Immunization programme types", "Loại chương trình tiêm chủng"), ""),
    ("vn-immunization-funding-source-cs", False, ("Who pays for a dose", "Nguồn chi trả"), FRAGMENT),
    ("vn-vaccine-type-cs", False, ("Kinds of vaccines", "Loại vắc xin"), f"{FRAGMENT} Its page was not seen."),
    ("vn-ward-type-cs", True, ("Kinds of communes", "Loại đơn vị hành chính cấp xã"), ""),
    (
        "vn-ethnicity-cs",
        True,
        ("Ethnic groups", "Dân tộc"),
        "Codes of the General Statistics Office with 55 (foreigner) and 99 (unknown), as the ministry's draft guide "
        "publishes them (CC0-1.0); VN Core's own page was not seen, its spelling may differ.",
    ),
    ("vn-religion-cs", False, ("Religions", "Tôn giáo"), f"{FRAGMENT} Source: CV 6955/BNV-TGCP."),
    ("vn-identifier-type-cs", False, ("Kinds of numbers", "Loại định danh"), FRAGMENT),
    ("vn-organization-type-cs", False, ("Kinds of facilities", "Loại cơ sở y tế"), f"{FRAGMENT} 5 of 8."),
    ("vn-organization-rank-status-cs", True, ("Whether a facility is ranked", "Tình trạng xếp hạng"), ""),
    ("vn-health-unit-rank-cs", False, ("Ranks of health units", "Hạng đơn vị y tế"), f"{FRAGMENT} At least I to IV."),
    ("vn-healthcare-level-cs", False, ("Administrative levels", "Cấp quản lý hành chính"), FRAGMENT),
)
LISTED = (
    *("vn-immunization-program-type", "vn-ethnicity", "vn-ward-type"),
    *("vn-organization-rank-status", "vn-organization-type"),
)
NOT_SAID = "The source shows this code without a display."

# id, code, base, expression, note
PARAMETERS = (
    (
        "patient-cccd",
        "vn-cccd",
        "Patient",
        f"Patient.identifier.where(system = '{CORE}/sid/cccd')",
        "vn-sp-patient-cccd",
        "A person's citizen number — số CCCD. The code of VN Core's parameter is inferred; this one selects the "
        "Identifier, so that a system can be named.",
    ),
    (
        "patient-bhyt",
        "vn-bhyt",
        "Patient",
        f"Patient.identifier.where(system = '{CORE}/sid/bhyt')",
        "vn-sp-patient-bhyt",
        "A person's health insurance number — số thẻ BHYT. VN Core's parameter of this code selects Identifier.value, "
        "so that system|value would find nothing; this one selects the Identifier.",
    ),
    (
        "coverage-bhyt",
        "vn-bhyt-card",
        "Coverage",
        f"Coverage.identifier.where(system = '{CORE}/sid/bhyt')",
        "vn-sp-coverage-bhyt",
        "The number of a health insurance card — số thẻ BHYT.",
    ),
    (
        "device-registration-number",
        "vn-registration-number",
        "Device",
        f"Device.extension.where(url = '{CORE}/StructureDefinition/vn-ext-device-registration-number').value"
        ".ofType(Identifier)",
        "vn-sp-device-registration-number",
        "The registration number of a device — số đăng ký thiết bị. VN Core's parameter of this code selects "
        "Identifier.value; this one selects the Identifier, so that a system can be named.",
    ),
)

OPERATIONS: tuple[tuple[str, str, Text, dict[str, Any], tuple[tuple[str, str, int, str], ...]], ...] = (
    (
        "vn-submit-bhyt-claim",
        "submit-bhyt-claim",
        ("Submit a health insurance claim", "Gửi hồ sơ giám định BHYT"),
        {"resource": ["Bundle"], "type": True, "instance": False},
        (("resource", "in", 1, "Bundle"), ("mode", "in", 0, "code"), ("return", "out", 1, "OperationOutcome")),
    ),
    (
        "vn-reverse-bhyt-claim",
        "reverse-bhyt-claim",
        ("Take a health insurance claim back", "Thu hồi hồ sơ giám định BHYT"),
        {"resource": ["Claim"], "type": True, "instance": True},
        (("ma-lk", "in", 1, "string"), ("reason", "in", 0, "string"), ("return", "out", 1, "OperationOutcome")),
    ),
)

# id, mode, CORS, formats, description
ROLES: tuple[tuple[str, Text, str, bool, tuple[str, ...], str], ...] = (
    (
        "vn-core-server",
        ("VN Core server", "Máy chủ VN Core"),
        "server",
        True,
        ("json", "xml"),
        "Luật 91/2025/QH15 and NĐ 356/2025/NĐ-CP hold: health data are sensitive personal data.",
    ),
    (
        "vn-core-emr-server",
        ("VN Core server of a medical record system", "Máy chủ bệnh án điện tử VN Core"),
        "server",
        True,
        ("json",),
        "OAuth 2.0 by roles, an AuditEvent for every record that is read, break-glass.",
    ),
    (
        "vn-core-citizen-app-client",
        ("VN Core app of a citizen", "Ứng dụng công dân VN Core"),
        "client",
        False,
        ("json",),
        "The compartment of the person or of whom they represent only; at least patient/*.read.",
    ),
)


def resources(folder: Path) -> Iterator[Json]:
    """Yield everything but the profiles; `folder` holds namingsystems.json and codesystems/*.json."""
    tables = {id: json.loads((folder / "codesystems" / f"{id}.json").read_text()) for id, *_ in SYSTEMS}
    for id, complete, title, note in SYSTEMS:
        table = tables[id]
        facts = Facts("high" if complete else "medium", (table.get("evidence") or table["source"],))
        about = f"{title[0]}. {note} {INFERRED if id.removesuffix('-cs') in LISTED else ''}".strip()
        concepts = [_concept(row) for row in table["concept"]]
        yield code_system(COMMUNITY, id, title, about, facts, concepts, content="complete" if complete else "fragment")
        if id.removesuffix("-cs") in LISTED:
            every = {"system": f"{CORE}/CodeSystem/{id}"}
            yield value_set(COMMUNITY, f"{id.removesuffix('-cs')}-vs", title, about, facts, every)
    reasons = json.loads((folder / "codesystems" / "vn-immunization-status-reason-vs.json").read_text())
    words = {"OSTOCK": "Hết vắc xin", "PATOBJ": "Từ chối tiêm", "MEDPREC": "Lý do y tế"}
    yield value_set(
        COMMUNITY,
        "vn-immunization-status-reason-vs",
        ("Why a dose was not given", "Lý do không tiêm"),
        "Why a dose was not given. The Vietnamese words are this project's.",
        Facts("high", (reasons["evidence"],)),
        listed(reasons["system"], [(row["code"], row["display"], words[row["code"]]) for row in reasons["concept"]]),
    )
    for row in json.loads((folder / "namingsystems.json").read_text()):
        yield _number(row)
    yield from _operations()
    yield from _roles()


def parameters() -> Iterator[Json]:
    """Yield the search parameters: under the programme's URLs, for they differ from VN Core's."""
    for id, code, base, expression, original, about in PARAMETERS:
        yield {
            "resourceType": "SearchParameter",
            "id": id,
            "url": PROGRAMME.url("SearchParameter", id),
            "version": PROGRAMME.version,
            "name": code.replace("-", "").upper(),
            "derivedFrom": f"{CORE}/SearchParameter/{original}",
            "status": "draft",
            "date": "2026-11-22",
            "publisher": PROGRAMME.publisher,
            "description": about,
            "code": code,
            "base": [base],
            "type": "token",
            "expression": expression,
        }


def _concept(row: Json) -> Json:
    if row["display"].startswith("("):  # a reading of examples, no display of the source
        return {"code": row["code"], "definition": f"{row['display'].strip('()')}. {NOT_SAID}"}
    found = concept((row["code"], row["display"], row.get("display_en") or ""))
    return found | ({"definition": row["definition"]} if row.get("definition") else {})


def _number(row: Json) -> Json:
    inferred = "inferred" in row.get("confidence", "") or row["uri"].endswith("(inferred)")
    parts = [row.get("text"), f"Form: {row['format'].partition(' (')[0]}" if "format" in row else None]
    parts += ["The URI is inferred from its siblings" if inferred else None, ATTRIBUTION]
    return naming_system(
        row["id"],
        ". ".join(part.rstrip(".") for part in parts if part) + ".",
        Facts("low" if inferred else "high", (row["evidence"],)),
        row["uri"].removesuffix(" (inferred)"),
        publisher=COMMUNITY.publisher,
        status="retired" if row.get("status", "").startswith("retired") else "draft",
    )


def _operations() -> Iterator[Json]:
    for id, code, title, where, parts in OPERATIONS:
        about = f"{title[0]}. Not offered by this server. {PARTIAL} {ATTRIBUTION}"  # the type has no copyright
        resource = head(COMMUNITY, "OperationDefinition", id, title, about)
        yield {
            **{name: value for name, value in resource.items() if name != "copyright"},
            "kind": "operation",
            "code": code,
            **where,
            "system": False,
            "parameter": [
                {"name": name, "use": use, "min": least, "max": "1", "type": type} for name, use, least, type in parts
            ],
        }


def _roles() -> Iterator[Json]:
    for id, title, mode, cors, formats, about in ROLES:
        resource = head(
            COMMUNITY,
            "CapabilityStatement",
            id,
            title,
            f"{about} Which types and interactions was not visible. {PARTIAL}",
        )
        yield resource | {
            "kind": "requirements",
            "fhirVersion": "4.0.1",
            "format": list(formats),
            "rest": [
                {
                    "mode": mode,
                    "security": {
                        "cors": cors,
                        "service": [
                            {
                                "coding": [
                                    {
                                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                        "code": "SMART-on-FHIR",
                                    }
                                ]
                            }
                        ],
                    },
                }
            ],
        }
