"""Make the code systems, value sets and naming systems of profiles/package/ from tables of national facts.

Run: python scripts/build_profiles.py FOLDER, where FOLDER holds namingsystems.json and codesystems/*.json, as collected
from https://hl7.org.vn (VN Core community draft, CC-BY-4.0), https://github.com/hl7vn/vn-core-ig (CC0-1.0) and the
administrative units of QĐ 19/2025/QĐ-TTg. StructureDefinitions and SearchParameters are written by hand there.
"""

import json
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]

OUT = Path(__file__).parents[1] / "profiles" / "package"
CORE = "http://fhir.hl7.org.vn/core"
OWN = "https://fhir.tiemchung.vn"
DATE = "2026-11-01"
PROJECT = "Immunization server project"
ATTRIBUTION = (
    "Facts from: VN Core FHIR Implementation Guide v0.6.0 — Omi HealthTech / VN Core FHIR Community Initiative — "
    "https://hl7.org.vn — CC-BY-4.0. Changed: rebuilt from what the published pages show; it is not the guide's own "
    "resource and not endorsed by its authors or by any state agency."
)
PARTIAL = "0.5.1-partial"
INFERRED = " The canonical URL is inferred from its siblings."
UNITS = (
    "Codes of QĐ 19/2025/QĐ-TTg, in force since 01/07/2025, from github.com/thanglequoc/vietnamese-provinces-database "
    "(MIT), tag v3.0.2; changes of 2026 are not in it."
)


def main(folder: Path) -> None:
    """Write every derived resource."""
    tables = folder / "codesystems"
    for id, content, title, note in (
        (
            "vn-immunization-program-type-cs",
            "complete",
            "Immunization programme types — Loại chương trình tiêm chủng",
            "",
        ),
        (
            "vn-immunization-funding-source-cs",
            "fragment",
            "Who pays for a dose — Nguồn chi trả",
            " Only the first codes were visible.",
        ),
        ("vn-ward-type-cs", "complete", "Kinds of communes — Loại đơn vị hành chính cấp xã", ""),
        (
            "vn-ethnicity-cs",
            "complete",
            "Ethnic groups — Dân tộc",
            " Codes of the General Statistics Office with 55 (foreigner) and 99 (unknown), as the ministry's draft "
            "guide publishes them (CC0-1.0); VN Core's own page was not seen, its spelling may differ.",
        ),
    ):
        write(code_system(id, title, content, note, [concept(row) for row in read(tables / f"{id}.json")["concept"]]))
    provinces = [concept(row) for row in read(tables / "admin-province-2025.json")]
    write(code_system("vn-province-cs", "Provinces — Tỉnh, thành phố", "complete", f" {UNITS}{INFERRED}", provinces))
    write(wards(read(tables / "admin-ward-2025.json")))
    for id, title in (
        ("vn-immunization-program-type", "Immunization programme types — Loại chương trình tiêm chủng"),
        ("vn-ethnicity", "Ethnic groups — Dân tộc"),
        ("vn-province", "Provinces in force — Tỉnh, thành phố hiện hành"),
        ("vn-ward", "Communes and wards in force — Xã, phường, đặc khu hiện hành"),
    ):
        write(value_set(f"{id}-vs", title, [{"system": f"{CORE}/CodeSystem/{id}-cs"}], INFERRED))
    reasons = read(tables / "vn-immunization-status-reason-vs.json")
    codes = {"system": reasons["system"], "concept": reasons["concept"]}
    write(value_set("vn-immunization-status-reason-vs", "Why a dose was not given — Lý do không tiêm", [codes], ""))
    for row in read(folder / "namingsystems.json"):
        if not row["uri"].endswith("(inferred)"):
            write(naming_system(row))
    for row in OWN_NUMBERS:
        write(row)


def read(path: Path) -> Any:
    """Read a table."""
    return json.loads(path.read_text())


def concept(row: Json) -> Json:
    """Return a CodeSystem concept with its English name as a designation."""
    found = {name: row[name] for name in ("code", "display", "definition") if row.get(name)}
    if english := row.get("display_en"):
        found["designation"] = [{"language": "en", "value": english}]
    return found


def head(type: str, id: str, title: str, description: str) -> Json:
    """Return what every resource of VN Core's facts begins with."""
    return {
        "resourceType": type,
        "id": id,
        "url": f"{CORE}/{type}/{id}",
        "version": PARTIAL,
        "name": "".join(part.capitalize() for part in id.split("-")),
        "title": title,
        "status": "draft",
        "date": DATE,
        "description": f"{title}.{description}",
        "copyright": ATTRIBUTION,
    }


def code_system(id: str, title: str, content: str, note: str, concepts: list[Json]) -> Json:
    """Return a CodeSystem."""
    count = {"count": len(concepts)} if content == "complete" else {}
    return head("CodeSystem", id, title, note) | {
        "caseSensitive": True,
        "valueSet": f"{CORE}/ValueSet/{id.removesuffix('-cs')}-vs",
        "content": content,
        **count,
        "concept": concepts,
    }


def wards(table: Json) -> Json:
    """Return the communes, each with the code of its province."""
    concepts = [
        {"code": code, "display": display, "property": [{"code": "province", "valueCode": province}]}
        for code, display, _, province, *_ in table["rows"]
    ]
    system = code_system("vn-ward-cs", "Communes — Xã, phường, đặc khu", "complete", f" {UNITS}{INFERRED}", concepts)
    system["property"] = [{"code": "province", "description": "Code of the province", "type": "code"}]
    return system


def value_set(id: str, title: str, include: list[Json], note: str) -> Json:
    """Return a ValueSet."""
    return head("ValueSet", id, title, note) | {"compose": {"include": include}}


def naming_system(row: Json) -> Json:
    """Return a NamingSystem for a row of the table of identifier systems."""
    status = "retired" if row.get("status", "").startswith("retired") else "draft"
    parts = (row.get("text"), f"Form: {row['format'].partition(' (')[0]}" if "format" in row else None, ATTRIBUTION)
    notes = [] if "confidence" not in row else [f"Certainty: {row['confidence']}."]
    return {
        "resourceType": "NamingSystem",
        "id": row["id"],
        "name": "".join(part.capitalize() for part in row["id"].split("-")),
        "status": status,
        "kind": "identifier",
        "date": DATE,
        "description": ". ".join(part.rstrip(".") for part in parts if part) + ". " + " ".join(notes).strip(),
        "uniqueId": [{"type": "uri", "value": row["uri"], "preferred": True}],
    }


def own_number(id: str, title: str, form: str) -> Json:
    """Return a NamingSystem of this project."""
    return {
        "resourceType": "NamingSystem",
        "id": id,
        "name": "".join(part.capitalize() for part in id.split("-")),
        "status": "draft",
        "kind": "identifier",
        "date": DATE,
        "publisher": PROJECT,
        "description": f"{title}. Form: {form}",
        "uniqueId": [{"type": "uri", "value": f"{OWN}/sid/{id}", "preferred": True}],
    }


OWN_NUMBERS = (
    own_number(
        "ma-tiem-chung",
        "A person's number in the immunization programme — Mã tiêm chủng (QĐ 3421/QĐ-BYT: one number for life)",
        "a letter, then at most 31 letters, digits, '-' or '.'; never 12 digits",
    ),
    own_number("ma-su-co", "An adverse event's number — Mã sự cố bất lợi sau tiêm chủng", "opaque"),
)


def write(resource: Json) -> None:
    """Write a resource: one line for each concept, so that changes can be read."""
    concepts = resource.pop("concept", None)
    text = json.dumps(resource, ensure_ascii=False, indent=1)
    if concepts is not None:
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in concepts)
        text = text.removesuffix("\n}") + f',\n "concept": [\n{lines}\n ]\n}}'
    (OUT / f"{resource['resourceType']}-{resource['id']}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
