"""Administrative units with their history: 63 provinces until 30/06/2025, 34 since; and which became which.

QĐ 19/2025/QĐ-TTg · NQ 202/2025/QH15 · conversion table of the National Statistics Office (NSO)

Codes were used again with another meaning (15 was Yên Bái and is Lào Cai): the units before the reform have code
systems of their own. An old commune that was split has several targets, and none of them is called the right one.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.national.notation import COMMUNITY, CORE, OWN, PROGRAMME, Json
from scripts.national.tables import Facts, Target, code_system, concept, concept_map, group, value_set
from terminology.places import PROVINCES, REFORM, WARDS, Place

FIRST_DAY, LAST_DAY = REFORM.isoformat(), "2025-06-30"
PROVINCE, WARD = f"{CORE}/CodeSystem/vn-province-cs", f"{CORE}/CodeSystem/vn-ward-cs"
NOW = Facts(
    "high",
    (
        "QĐ 19/2025/QĐ-TTg, through https://github.com/thanglequoc/vietnamese-provinces-database v3.0.2 (MIT)",
        "changes of 2026: the same, v4.2.0 (30/2026/QH16, 237/NQ-UBTVQH16)",
    ),
)
BEFORE = Facts(
    "high",
    (
        "PyPI vietnamadminunits 1.0.4 (MIT); codes compared equal with "
        "https://github.com/thanglequoc/vietnamese-provinces-database v2.4.1 (MIT)",
    ),
)
BOTH = Facts(
    "high",
    (
        "PyPI vietnamadminunits 1.0.4 (MIT)",
        "conversion table of the National Statistics Office, through github.com/sunshine-tech/VietnamProvinces@809e91b",
    ),
)
# Xã Ba Chẽ: 06978 in QĐ 19/2025/QĐ-TTg as collected, 06970 in the tables of conversion.
ALSO_WRITTEN = {"06970": "06978"}
INFERRED = "The canonical URL is inferred from its siblings."


class Old(NamedTuple):
    """A unit before the reform and the codes of those above it."""

    code: str
    name: str
    district: str = ""
    province: str = ""


def resources(folder: Path) -> Iterator[Json]:
    """Yield the code systems, value sets and concept maps; `folder` holds the tables of the units (domain/admin)."""
    yield from _present()
    with (folder / "vn_admin_legacy_63.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "vn_province_mapping.csv").open(encoding="utf-8") as file:
        provinces = {row["old_province_code"]: row for row in csv.DictReader(file)}
    districts = {
        row["district_code"]: Old(row["district_code"], row["district"], "", row["province_code"]) for row in rows
    }
    communes = {
        row["ward_code"]: Old(row["ward_code"], row["ward"], row["district_code"], row["province_code"])
        for row in rows
        if row["ward_code"]
    }
    about = "in force until 30/06/2025. When each was made was not collected: there is no validFrom."
    old_provinces = [Old(code, row["old_province"]) for code, row in provinces.items()]
    for id, title, units in (
        ("province", ("Provinces until 30/06/2025", "Tỉnh, thành phố đến 30/06/2025"), old_provinces),
        ("district", ("Districts until 30/06/2025", "Quận, huyện đến 30/06/2025"), list(districts.values())),
        ("commune", ("Communes until 30/06/2025", "Xã, phường, thị trấn đến 30/06/2025"), list(communes.values())),
    ):
        listed = sorted(units)
        name = f"{id}-until-2025"
        yield code_system(PROGRAMME, name, title, f"The {len(listed)} units {about}", BEFORE, map(_former, listed))
        yield value_set(PROGRAMME, name, title, f"All units {about}", BEFORE, {"system": f"{OWN}/CodeSystem/{name}"})
    yield _of_provinces(provinces.values())
    yield _of_communes(folder, communes)


def _present() -> Iterator[Json]:
    about = f"in force since 01/07/2025. {INFERRED}"
    for id, title, units, in_province in (
        ("vn-province", ("Provinces", "Tỉnh, thành phố"), PROVINCES, False),
        ("vn-ward", ("Communes", "Xã, phường, đặc khu"), WARDS, True),
    ):
        concepts = [_unit(place, in_province) for place in units.values()]
        if in_province:
            concepts += [_twin(*codes) for codes in ALSO_WRITTEN.items()]
            about += " Xã Ba Chẽ has two codes, for the sources differ."
        yield code_system(COMMUNITY, f"{id}-cs", title, f"{title[0]} {about}", NOW, concepts)
        yield value_set(
            COMMUNITY, f"{id}-vs", title, f"{title[0]} {about}", NOW, {"system": f"{CORE}/CodeSystem/{id}-cs"}
        )


def _unit(place: Place, in_province: bool) -> Json:
    since, name = place.renamed[-1] if place.renamed else (None, place.name)
    found = concept(
        (place.code, name, "" if since else place.en),
        valueDateTime_validFrom=FIRST_DAY,
        valueDateTime_renamed=since.isoformat() if since else None,
        valueCode_province=place.province if in_province else None,
    )
    if since:
        found["designation"] = [{"language": "vi", "value": place.name}]
    return {key: found[key] for key in ("code", "display", "designation", "property") if key in found}


def _twin(code: str, same: str) -> Json:
    found = concept(
        (code, WARDS[same].name, ""), valueDateTime_validFrom=FIRST_DAY, valueCode_province=WARDS[same].province
    )
    note = {"definition": f"The same unit as {same}: sources give it one code or the other."}
    return {"code": found["code"], "display": found["display"]} | note | {"property": found["property"]}


def _former(unit: Old) -> Json:
    return concept(
        (unit.code, unit.name, ""),
        valueDateTime_validTo=LAST_DAY,
        valueCode_district=unit.district,
        valueCode_province="" if unit.district else unit.province,
    )


def _of_provinces(rows: Iterable[dict[str, str]]) -> Json:
    sources: dict[str, int] = defaultdict(int)
    kept = list(rows)
    for row in kept:
        sources[row["new_province_code"]] += 1
    elements = [
        (
            row["old_province_code"],
            row["old_province"],
            [
                Target(
                    row["new_province_code"],
                    "equivalent" if sources[row["new_province_code"]] == 1 else "wider",
                    row["new_province"],
                )
            ],
        )
        for row in kept
    ]
    return concept_map(
        PROGRAMME,
        "province-since-2025",
        ("Which province became which", "Chuyển đổi tỉnh, thành phố"),
        "The province that each of the 63 became, or became part of, on 01/07/2025.",
        BEFORE,
        f"{OWN}/ValueSet/province-until-2025",
        [group(f"{OWN}/CodeSystem/province-until-2025", PROVINCE, elements)],
        f"{CORE}/ValueSet/vn-province-vs",
    )


def _of_communes(folder: Path, communes: dict[str, Old]) -> Json:
    with (folder / "vn_admin_mapping_legacy_to_2025.csv").open(encoding="utf-8") as file:
        first = _pairs((row["old_ward_code"], row["new_ward_code"]) for row in csv.DictReader(file))
    second = _pairs(_of_statistics(folder / "BangChuyendoi_DVHC_moi_cu_NSO.csv"))
    made_of: dict[str, set[str]] = defaultdict(set)
    for old in communes:
        for new in first.get(old, set()) | second.get(old, set()):
            made_of[new].add(old)
    elements = [
        (code, "", targets(code, first.get(code, set()), second.get(code, set()), made_of)) for code in sorted(communes)
    ]
    split = sum(len(found) > 1 for _, _, found in elements)
    return concept_map(
        PROGRAMME,
        "commune-since-2025",
        ("Which commune became which", "Chuyển đổi đơn vị cấp xã"),
        f"The communes that each of the {len(elements)} became on 01/07/2025. {split} have several targets: which one "
        "an address lies in cannot be known from its commune. `equivalent`: the same unit; `wider`: it became part of "
        "the target; `narrower`: the target is a part of it; `inexact`: a part of it became part of the target; "
        "`relatedto`: the two sources disagree. Targets are in the order of their codes.",
        BOTH,
        f"{OWN}/ValueSet/commune-until-2025",
        [group(f"{OWN}/CodeSystem/commune-until-2025", WARD, elements)],
        f"{CORE}/ValueSet/vn-ward-vs",
    )


def targets(old: str, first: set[str], second: set[str], made_of: dict[str, set[str]]) -> list[Target]:
    """Return what the commune `old` became by two sources; `made_of` says which communes each new one was made of."""
    found = []
    together = first | second
    for new in sorted(together):
        alone = made_of[new] == {old}
        if new not in first & second and second:
            equivalence, comment = "relatedto", "only one of the two sources has it"
        elif len(together) == 1:
            equivalence, comment = "equivalent" if alone else "wider", ""
        else:
            equivalence, comment = "narrower" if alone else "inexact", f"{old} was split"
        if new in ALSO_WRITTEN.values():
            other = next(code for code, this in ALSO_WRITTEN.items() if this == new)
            comment = f"{comment}; also written {other}".removeprefix("; ")
        found.append(Target(new, equivalence, WARDS[new].name, comment))
    return found


def _pairs(rows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for old, new in rows:
        found[old].add(ALSO_WRITTEN.get(new, new))
    return found


def _of_statistics(path: Path) -> Iterator[tuple[str, str]]:
    """Yield old and new code of each row of the NSO's table that has both."""
    with path.open(encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) > 4 and re.fullmatch(r"\d{5}", row[2].strip()) and re.fullmatch(r"\d{5}", row[4].strip()):
                yield row[4].strip(), row[2].strip()
