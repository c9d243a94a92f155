"""Write fhir_server/definitions/data/ucum.json: what each prefix and unit of UCUM is defined by.

https://ucum.org/ucum · the facts come with ucumvert (https://github.com/dalito/ucumvert), a library of the tests

    python scripts/build_ucum.py
"""

import json
from pathlib import Path

import ucumvert
from ucumvert import xml_util

TABLE = Path(__file__).parents[1] / "fhir_server" / "definitions" / "data" / "ucum.json"


def main() -> None:
    """Write the table."""
    root = xml_util.root
    prefixes = {
        element.attrib["Code"]: value.attrib["value"]
        for element in root.findall("{*}prefix")
        for value in element.findall("{*}value")
    }
    facts = {
        "source": f"UCUM {root.attrib['version']} ({root.attrib['revision-date']}), by ucumvert {ucumvert.__version__}",
        "prefixes": prefixes,
        "base": xml_util.get_base_units(),
        "metric": xml_util.get_metric_units(),
        "arbitrary": [row.code_cs for row in _units() if row.is_arbitrary and row.defining_unit == "1"],
        "special": {row.code_cs: [row.conversion_factor, _argument(row.code_cs)] for row in _units() if row.is_special},
        "units": {row.code_cs: [row.conversion_factor, row.defining_unit] for row in _units() if not row.is_special},
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items() if name != "units"]
    rows = ",\n".join(f"    {json.dumps(code)}: {json.dumps(row)}" for code, row in facts["units"].items())
    TABLE.write_text("{\n" + ",\n".join(lines) + ',\n  "units": {\n' + rows + "\n  }\n}\n", "utf-8")


def _units() -> list[xml_util.UcumUnitDefinition]:
    return xml_util.get_units_with_full_definition()


def _argument(code: str) -> str:
    """Return the unit of what a special unit is a function of."""
    element = xml_util.root.find(f'.//{{*}}unit[@Code="{code}"]/{{*}}value/{{*}}function')
    assert element is not None
    return element.attrib["Unit"]


if __name__ == "__main__":
    main()
