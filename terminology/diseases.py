"""The diseases that the country's vaccines protect against, by SNOMED CT code.

https://hl7.org/fhir/R4/immunization-definitions.html#Immunization.protocolApplied.targetDisease
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

from terminology.tables import Table, read

SNOMED: Final = "http://snomed.info/sct"


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease: `key` is the short name the tables of this package use (`HBV`), `code` its SNOMED CT concept."""

    key: str
    code: str
    icd10: str
    vi: str
    en: str
    certainty: str


def _load() -> dict[str, Disease]:
    return {row["code"]: Disease(**row) for row in read("diseases")["rows"]}


DISEASES: Final = Table(_load)  # by SNOMED CT code


@cache
def _keys() -> dict[str, Disease]:
    return {disease.key: disease for disease in DISEASES.values()}


def by_key(key: str) -> Disease:
    """Return the disease whose short name is `key`, such as `HBV`; raise KeyError when there is none."""
    return _keys()[key]
