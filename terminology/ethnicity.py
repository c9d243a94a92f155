"""The ethnic groups of Viet Nam, as the General Statistics Office numbers them.

https://vncore-ig.pages.dev/StructureDefinition-vn-ext-ethnicity.html
"""

from dataclasses import dataclass
from typing import Final

from terminology.tables import Table, read

ETHNICITY: Final = "http://fhir.hl7.org.vn/core/CodeSystem/vn-ethnicity-cs"


@dataclass(frozen=True, slots=True)
class EthnicGroup:
    """`01` Kinh … `54` Rơ Măm; `55` is a foreigner, `99` unknown."""

    code: str
    name: str
    also: tuple[str, ...]


def _load() -> dict[str, EthnicGroup]:
    return {row["code"]: EthnicGroup(**row | {"also": tuple(row["also"])}) for row in read("ethnic_groups")["rows"]}


ETHNIC_GROUPS: Final = Table(_load)  # by two-digit code
