"""Write signing/data/dcc_values.json and dcc_schema.json from the published value sets and schema of the DCC.

https://github.com/ehn-dcc-development/eu-dcc-valuesets and https://github.com/ehn-dcc-development/eu-dcc-schema

    python scripts/build_dcc_values.py VALUESETS-FOLDER SCHEMA-FILE
"""

import json
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "signing" / "data"
VALUE_SETS = {  # field of a DCC entry: the file of its value set
    "tg": "disease-agent-targeted",
    "vp": "vaccine-prophylaxis",
    "mp": "vaccine-medicinal-product",
    "ma": "vaccine-mah-manf",
}
VALUES_SOURCE = "ehn-dcc-development/eu-dcc-valuesets@60ea3d8 (Apache-2.0)"
SCHEMA_SOURCE = "ehn-dcc-development/eu-dcc-schema@9fe38ed (Apache-2.0)"
RULES = ("type", "pattern", "maxLength", "minimum", "format")


def main() -> None:
    """Read both sources and write both tables."""
    folder, schema = Path(sys.argv[1]), Path(sys.argv[2])
    _write("dcc_values", {"source": VALUES_SOURCE, **values(folder)})
    _write("dcc_schema", {"source": f"{SCHEMA_SOURCE}, {schema.name}", **rules(json.loads(schema.read_text("utf-8")))})


def values(folder: Path) -> dict[str, Any]:
    """Return each value set as {code: display}, the retired codes, and how each product is to be encoded."""
    sets: dict[str, Any] = {}
    for field, name in VALUE_SETS.items():
        content = json.loads((folder / f"{name}.json").read_text("utf-8"))
        rows = content["valueSetValues"]
        sets[field] = {
            "id": content["valueSetId"],
            "date": content["valueSetDate"],
            "display": {code: row["display"] for code, row in rows.items()},
            "inactive": [code for code, row in rows.items() if not row["active"]],
        }
    instructions = json.loads((folder / "vaccine-encoding-instructions.json").read_text("utf-8"))["valueSetValues"]
    products = {
        row["vaccine-code"]: {"ma": row["vaccine-manufacturer"], "vp": sorted(row["sct-codes"])}
        for row in instructions.values()
        if row["vaccine-code"] in sets["mp"]["display"]
    }
    return {"sets": sets, "products": products}


def rules(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the schema asks of the document, the name and the three kinds of entries, references resolved."""
    definitions = schema["$defs"]

    def constraints(field: dict[str, Any]) -> dict[str, Any]:
        target = definitions[field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else {}
        return {rule: value for rule, value in (target | field).items() if rule in RULES}

    def group(definition: dict[str, Any]) -> dict[str, Any]:
        fields = {name: constraints(field) for name, field in definition["properties"].items()}
        return {"required": definition.get("required", []), "fields": fields}

    top = {name: constraints(schema["properties"][name]) for name in ("ver", "dob")}
    return {
        "document": {"required": ["ver", "nam", "dob"], "fields": top},
        "nam": group(definitions["person_name"]),
        "v": group(definitions["vaccination_entry"]),
        "t": group(definitions["test_entry"]),
        "r": group(definitions["recovery_entry"]),
    }


def _write(name: str, table: dict[str, Any]) -> None:
    text = json.dumps(table, ensure_ascii=False, indent=1)
    (DATA / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
