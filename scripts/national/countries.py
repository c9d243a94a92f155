"""Nationality: the countries of ISO 3166-1.

https://hl7.org/fhir/R4/valueset-iso3166-1-2.html

The health insurance uses another list (annex 2 of TT 07/2016/TT-BCA), which was not obtained.
"""

import json
from pathlib import Path

from scripts.national.notation import PROGRAMME, Json
from scripts.national.tables import Facts, listed, value_set


def nationality(table: Path) -> Json:
    """Return the value set of countries, with the English names of the table."""
    rows = json.loads(table.read_text("utf-8"))["concept"]
    return value_set(
        PROGRAMME,
        "nationality",
        ("Nationality", "Quốc tịch"),
        "Countries by the two letters of ISO 3166-1. Vietnamese names were not collected.",
        Facts("high", ("ISO 3166-1 as in FHIR R4 and in https://github.com/hl7vn/vn-core-ig (8e6b6e0), CC0-1.0",)),
        listed("urn:iso:std:iso:3166", [(row["code"], row["display"].replace("''", "'")) for row in rows]),
    )
