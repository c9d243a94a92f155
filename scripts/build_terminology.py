"""Turn the collected facts about vaccines, the schedule, places and people into the tables of `terminology/data`.

    python scripts/build_terminology.py FACTS-FOLDER

The folder holds `domain/` and `national/`. Each table names its source, licence, version and certainty; each uncertain
row keeps its own mark. One row a line, so that a changed fact is a changed line.
"""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "terminology" / "data"

SOURCES = {
    "BM": "Bach Mai hospital's list of registered vaccines with registration numbers, https://bachmai.gov.vn",
    "LC": "public catalogues of the Long Chau and VNVC vaccination centres, with age rules",
    "TT": "annexes of circulars TT 10/2024/TT-BYT and TT 52/2025/TT-BYT (generic names only)",
    "CVX": "CDC CVX, through the CVX-to-antigen map of CDSi supporting data 4.64",
    "DCC": "EU DCC value sets, https://github.com/ehn-dcc-development/eu-dcc-valuesets",
    "COV": "hcdc.vn, hieuluat.vn and press pages on the ministry's conditional approvals of 2021",
    "K": "from memory: check before use",
}
CERTAINTY = {
    "rows": "high: product seen in a Vietnamese source and CVX in CDC data; medium: one of both from memory; "
    "low: check before use",
    "cvx": "the best single code; cvx_alternatives may be sent as further codings",
    "id": "the project's own code: no public list of the national system's vaccine codes was found",
    "atc": "from memory: check against the licensed ATC index",
    "registration": "only numbers that were seen; all others null",
}

# English names are not in the collected facts: the usual names of the diseases, after SNOMED CT's preferred terms.
ENGLISH = {
    "TB": "Tuberculosis",
    "HBV": "Hepatitis B",
    "DIPH": "Diphtheria",
    "TET": "Tetanus",
    "PERT": "Pertussis",
    "POLIO": "Poliomyelitis",
    "HIB": "Haemophilus influenzae type b infection",
    "MEAS": "Measles",
    "RUB": "Rubella",
    "MUMPS": "Mumps",
    "JE": "Japanese encephalitis",
    "ROTA": "Rotavirus disease",
    "PNEU": "Pneumococcal disease",
    "HPV": "Human papillomavirus infection",
    "VAR": "Varicella",
    "ZOS": "Herpes zoster",
    "FLU": "Influenza",
    "HAV": "Hepatitis A",
    "RAB": "Rabies",
    "TYP": "Typhoid fever",
    "CHOL": "Cholera",
    "MEN": "Meningococcal disease",
    "YF": "Yellow fever",
    "DENG": "Dengue",
    "RSV": "Respiratory syncytial virus infection",
    "COVID": "COVID-19",
}


def table(name: str, rows: list[Any], **about: Any) -> None:
    """Write `rows`, one a line, below what is known about them."""
    for key in ("source", "licence", "version", "certainty"):
        if not about.get(key):
            raise ValueError(f"{name}: no {key}")
    head = "".join(f"{json.dumps(key)}: {_line(value)},\n" for key, value in about.items())
    body = ",\n".join(_line(row) for row in rows)
    (DATA / f"{name}.json").write_text(f'{{\n{head}"rows": [\n{body}\n]}}\n', "utf-8")
    print(f"{name}: {len(rows)} rows")


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def vaccines(facts: Path) -> None:
    """Write the products and the diseases they protect against."""
    read = json.loads((facts / "domain/vn_vaccines.json").read_text("utf-8"))
    table(
        "vaccines",
        [_vaccine(row) for row in read["vaccines"]],
        source=SOURCES,
        licence="Facts, collected from the sources named; CVX, MVX and EU DCC value sets are public",
        version=read["version"],
        certainty=CERTAINTY,
    )
    table(
        "diseases",
        [
            {
                "key": key,
                "code": disease["snomed"],
                "icd10": disease["icd10"],
                "vi": disease["vi"],
                "en": ENGLISH[key],
                "certainty": "high" if key == "COVID" else "medium",
            }
            for key, disease in read["targetDiseases"].items()
        ],
        source="SNOMED CT and ICD-10 concept codes; COVID-19 as in the EU DCC value set disease-agent-targeted",
        licence="Facts; SNOMED CT codes may be used under the licence of the country where the server runs",
        version=read["version"],
        certainty="high: seen in a published value set; medium: from memory, check against a SNOMED CT release",
    )


def _vaccine(row: dict[str, Any]) -> dict[str, Any]:
    dcc = row.get("euDcc")
    return {
        "id": row["id"],
        "trade_name": row["tradeName"],
        "generic": row["genericVi"],
        "manufacturer": row["manufacturer"],
        "country": row["country"],
        "channel": row["channel"],
        "status": row["status"],
        "target_diseases": row["targetDiseases"],
        "cvx": row["cvx"],
        "cvx_alternatives": row["cvxAlternatives"],
        "atc": row["atc"],
        "mvx": row["mvx"],
        "registration": row["registration"],
        "dcc": {"vp_display": dcc["vpDisplay"], "ma_display": dcc["maDisplay"]}
        | {key: dcc[key] for key in ("tg", "vp", "mp", "ma")}
        if dcc
        else None,
        "certainty": row["certainty"],
        "sources": row["sources"],
        "note": row["note"],
    }


def places(facts: Path) -> None:
    """Write the provinces and wards in force, and the provinces that citizen numbers still name."""
    codes = facts / "national/codesystems"
    units = "https://github.com/thanglequoc/vietnamese-provinces-database"
    read = json.loads((codes / "admin-ward-2025.json").read_text("utf-8"))
    table(
        "provinces",
        [
            {
                "code": row["code"],
                "name": row["display"],
                "en": row["display_en"],
                "changes": PROVINCE_CHANGES.get(row["code"], []),
            }
            for row in json.loads((codes / "admin-province-2025.json").read_text("utf-8"))
        ],
        source=f"QĐ 19/2025/QĐ-TTg through {units} v3.0.2; changes of 2026 through v4.2.0 (30/2026/QH16)",
        licence="MIT",
        version="in force from 2025-07-01; `changes` give the name from a later day on",
        certainty="high",
    )
    table(
        "wards",
        [
            [code, name, en, province] + ([_renamed(name, kind)] if kind else [])
            for code, name, en, province, _, kind in read["rows"]
        ],
        source=f"QĐ 19/2025/QĐ-TTg through {units} v3.0.2; changes of 2026 through v4.2.0 (237/NQ-UBTVQH16)",
        licence="MIT",
        version="in force from 2025-07-01",
        certainty="high",
        columns=["code", "name", "en", "province", "name from 2026-04-30 where it changed"],
    )
    with (facts / "domain/admin/vn_province_mapping.csv").open(encoding="utf-8") as file:
        legacy = list(csv.DictReader(file))
    prefixes = json.loads((codes / "cccd-place-prefix.derived.json").read_text("utf-8"))["concept"]
    if [prefix["code"][1:] for prefix in prefixes] != [row["old_province_code"] for row in legacy]:
        raise ValueError("The place prefixes of citizen numbers are not those of the 63 provinces")
    table(
        "legacy_provinces",
        [
            {"code": row["old_province_code"], "name": row["old_province"], "successor": row["new_province_code"]}
            for row in legacy
        ],
        source="The 63 provinces until 2025-06-30 and their successors: PyPI vietnamadminunits 1.0.4",
        licence="MIT",
        version="until 2025-06-30",
        certainty="high; that digits 1-3 of a citizen number are 0 and this code: TT 59/2021/TT-BCA, from memory; "
        "numbers of people registered abroad begin with a country's code, not listed",
    )


PROVINCE_CHANGES = {"75": [{"from": "2026-04-30", "name": "Thành phố Đồng Nai", "en": "Dong Nai City"}]}


def _renamed(name: str, kind: str) -> str:
    return f"{kind} {name.removeprefix('Xã ')}"


def ethnic_groups(facts: Path) -> None:
    """Write the ethnic groups."""
    read = json.loads((facts / "domain/vn_ethnic_groups.json").read_text("utf-8"))
    table(
        "ethnic_groups",
        [
            {"code": row["code"], "name": row["display"], "also": row["alt"].split(", ") if row["alt"] else []}
            for row in read["concept"]
        ],
        source="General Statistics Office, QĐ 121-TCTK/PPCĐ 1979, as in https://github.com/hl7vn/vn-core-ig (8e6b6e0)",
        licence="CC0-1.0",
        version="1979 list with 55 (foreigner) and 99 (unknown)",
        certainty="high",
    )


SPAN = re.compile(r"(\d+)(?:-(\d+))? (hour|day|week|month|year)s?(?: (.+))?")
SPANS = {
    "recommended_age": "recommendedAge",
    "latest_age": "recommendedAgeLatest",
    "minimum_age": "minimumAge",
    "maximum_age": "maximumAge",
    "recommended_interval": "recommendedInterval",
    "minimum_interval": "minimumInterval",
}


def schedule(facts: Path) -> None:
    """Write the series and their doses: a plain age or interval as [least, most, unit], any other as a remark."""
    read = json.loads((facts / "domain/vn_epi_schedule.json").read_text("utf-8"))
    table(
        "schedule",
        [_series(row) for row in read["series"]],
        source={key: _public(text) for key, text in read["citations"].items()},
        licence="Facts: legal texts and labels",
        version=read["version"],
        certainty=f"{read['certaintyScope']}. {read['statusWarning']}",
        legal_versions=read["legalVersions"],
        covid19=[_covid(row) for row in read["covid19"]["primary"]],
        covid19_boosters=read["covid19"]["booster"],
        covid19_source=read["covid19"]["sources"],
    )


def _public(text: str) -> str:
    return re.sub(r" \(GitHub file ids [^)]*\)| \(cdsi/[^)]*\)", "", text)


def _series(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "title": row["titleVi"],
        "group": row["vaccineGroup"],
        "programme": row["programme"],
        "target_group": row["targetGroup"],
        "target_diseases": row["targetDiseases"],
        "geography": row.get("geography"),
        "doses": [_dose(dose) for dose in row["doses"]],
    }


def _dose(row: dict[str, Any]) -> dict[str, Any]:
    spans, remarks = {}, []
    for name, key in SPANS.items():
        spans[name], remark = _span(row[key])
        remarks += [f"{name}: {remark}"] if remark else []
    return {
        "number": row["dose"],
        "label": row["labelVi"],
        **spans,
        "interval_from": row["intervalFrom"],
        "clock": row["ageClock"],
        "vaccines": row["vaccines"],
        "certainty": row["certainty"],
        "certainty_limits": row["certaintyMinMax"],
        "citations": row["citations"],
        "remarks": remarks,
    }


def _span(text: str | None) -> tuple[list[Any] | None, str | None]:
    """Return [least, most, unit] where `text` is one plain span, and otherwise the text itself."""
    read = SPAN.fullmatch(text or "")
    if not read or read[4]:
        return None, text
    return [int(read[1]), int(read[2] or read[1]), read[3]], None


def _covid(row: dict[str, Any]) -> dict[str, Any]:
    read = SPAN.fullmatch(row["interval"] or "")
    return {
        "vaccine": row["vaccine"],
        "doses": row["doses"],
        "interval": [int(read[1]), int(read[2] or read[1]), read[3]] if read else None,
        "certainty": row["certainty"],
        "remarks": [text for text in (row["interval"], row["minAge"]) if text],
    }


def main(facts: Path) -> None:
    """Write every table."""
    DATA.mkdir(exist_ok=True)
    for write in (vaccines, places, ethnic_groups, schedule):
        write(facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
