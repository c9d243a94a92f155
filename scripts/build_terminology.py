"""Turn the collected facts about vaccines, the schedule, places and people into the tables of `terminology/data`.

    python scripts/build_terminology.py FACTS-FOLDER

The folder holds `domain/` and `national/`. Each table names its source, licence, version and certainty; each uncertain
row keeps its own mark. One row a line, so that a changed fact is a changed line.
"""

import json
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


def main(facts: Path) -> None:
    """Write every table."""
    DATA.mkdir(exist_ok=True)
    vaccines(facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
