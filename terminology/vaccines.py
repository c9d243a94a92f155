"""The vaccines licensed or used in Viet Nam, and what each is called in the code systems of the world.

https://hl7.org/fhir/R4/immunization-definitions.html#Immunization.vaccineCode
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from terminology.diseases import SNOMED as SNOMED
from terminology.diseases import by_key
from terminology.tables import Table, read

# No vaccine code list of the national system is public: the project's own codes come first, CVX and ATC beside them.
PRODUCT: Final = "https://fhir.tiemchung.vn/CodeSystem/vaccine-product"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
ATC: Final = "http://www.whocc.no/atc"
MVX: Final = "http://hl7.org/fhir/sid/mvx"


@dataclass(frozen=True, slots=True)
class Dcc:
    """What the EU health certificate calls a vaccine: disease, kind, product, marketing authorisation holder."""

    tg: str
    vp: str
    mp: str
    ma: str
    vp_display: str
    ma_display: str


@dataclass(frozen=True, slots=True)
class Vaccine:
    """A product. `channel` is EPI, service, both or campaign; `certainty` high, medium or low."""

    id: str
    trade_name: str
    generic: str
    manufacturer: str
    country: str
    channel: str
    status: str  # in-use or historical
    target_diseases: tuple[str, ...]  # SNOMED CT codes
    cvx: str | None
    cvx_alternatives: tuple[str, ...]
    atc: str
    mvx: str | None
    registration: str | None
    dcc: Dcc | None
    certainty: str
    sources: tuple[str, ...]  # keys of `source` in the table
    note: str | None


def _vaccine(row: dict[str, Any]) -> Vaccine:
    return Vaccine(
        **row
        | {
            "target_diseases": tuple(by_key(key).code for key in row["target_diseases"]),
            "cvx_alternatives": tuple(row["cvx_alternatives"]),
            "sources": tuple(row["sources"]),
            "dcc": Dcc(**row["dcc"]) if row["dcc"] else None,
        }
    )


def _load() -> dict[str, Vaccine]:
    return {row["id"]: _vaccine(row) for row in read("vaccines")["rows"]}


VACCINES: Final = Table(_load)  # by code of the system PRODUCT


@cache
def _codings() -> dict[tuple[str, str], tuple[Vaccine, ...]]:
    best: dict[tuple[str, str], list[Vaccine]] = {}
    other: dict[tuple[str, str], list[Vaccine]] = {}
    for vaccine in VACCINES.values():
        for system, code in ((PRODUCT, vaccine.id), (CVX, vaccine.cvx), (ATC, vaccine.atc)):
            if code:
                best.setdefault((system, code), []).append(vaccine)
        for code in vaccine.cvx_alternatives:
            other.setdefault((CVX, code), []).append(vaccine)
    return {coding: tuple(vaccines) for coding, vaccines in (other | best).items()}


def by_coding(system: str, code: str) -> tuple[Vaccine, ...]:
    """Return every product that the coding can mean: several for a group (CVX 08), none when it is unknown.

    An alternative CVX code counts only where no product has that code as its best one.
    """
    return _codings().get((system, code), ())


def against(disease: str) -> tuple[Vaccine, ...]:
    """Return the products that protect against the disease with this SNOMED CT code."""
    return tuple(vaccine for vaccine in VACCINES.values() if disease in vaccine.target_diseases)
