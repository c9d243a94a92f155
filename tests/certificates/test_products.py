"""https://github.com/ehn-dcc-development/eu-dcc-valuesets — Annex A"""

import pytest

from fhir_server.certificates.products import product
from signing import values
from terminology.vaccines import ATC, CVX, PRODUCT, VACCINES

COVID_19 = "840539006"
CODED = sorted(vaccine.id for vaccine in VACCINES.values() if vaccine.dcc)


@pytest.mark.parametrize(
    ("codings", "mp"),
    [
        ([(PRODUCT, "comirnaty")], "EU/1/20/1528"),
        ([(CVX, "208")], "EU/1/20/1528"),
        ([(CVX, "217")], "EU/1/20/1528"),
        ([(CVX, "207")], "EU/1/20/1507"),
        ([(CVX, "210")], "EU/1/21/1529"),
        ([(CVX, "212")], "EU/1/20/1525"),
        ([(CVX, "505")], "Sputnik-V"),
        ([(PRODUCT, "hayat-vax"), (CVX, "510")], "Hayat-Vax"),
        ([(CVX, "510"), (PRODUCT, "vero-cell")], "BBIBP-CorV"),
        ([(PRODUCT, "abdala"), (CVX, "213")], "Abdala"),
        ([("urn:hospital", "X"), (CVX, "208")], "EU/1/20/1528"),
        ([(ATC, "J07BN01"), (CVX, "208")], "EU/1/20/1528"),
        ([(CVX, "510")], None),
        ([(CVX, "213")], None),
        ([(CVX, "500")], None),
        ([(CVX, "504")], None),
        ([(ATC, "J07BX03")], None),
        ([(ATC, "J07BN01")], None),
        ([(ATC, "J07BN04")], None),
        ([(PRODUCT, "comirnaty"), (CVX, "207")], None),
        ([(PRODUCT, "bcg-ivac")], None),
        ([(CVX, "19")], None),
        ([("urn:hospital", "208")], None),
        ([], None),
    ],
    ids=lambda value: " ".join(code for _, code in value) if isinstance(value, list) else str(value),
)
def test_finds_the_one_product_that_the_codings_mean(codings: list[tuple[str, str]], mp: str | None) -> None:
    concept = {"coding": [{"system": system, "code": code} for system, code in codings]}
    found = product(concept, COVID_19)
    assert (found.mp if found else None) == mp


@pytest.mark.parametrize("id", CODED)
def test_every_product_of_the_table_is_encoded_as_annex_a_says(id: str) -> None:
    found = product({"coding": [{"system": PRODUCT, "code": id}]}, COVID_19)
    assert found is not None
    rule = values.product(found.mp)
    assert rule is not None
    assert found.ma == rule.ma
    assert found.vp in rule.vp
    assert all((values.active("tg", found.tg), values.active("vp", found.vp), values.active("mp", found.mp)))


def test_nine_products_can_be_certified() -> None:
    assert len(CODED) == 9


@pytest.mark.parametrize(("id", "primary"), [("janssen", 1), ("abdala", 3), ("comirnaty", 2), ("vero-cell", 2)])
def test_knows_how_many_doses_the_primary_series_takes(id: str, primary: int) -> None:
    found = product({"coding": [{"system": PRODUCT, "code": id}]}, COVID_19)
    assert found is not None
    assert found.primary == primary


def test_a_product_for_another_disease_is_none() -> None:
    assert product({"coding": [{"system": PRODUCT, "code": "comirnaty"}]}, "14189004") is None


@pytest.mark.parametrize("concept", [{}, {"text": "Pfizer"}, {"coding": [{}]}, {"coding": [{"code": "208"}]}])
def test_a_concept_without_codes_is_none(concept: dict[str, object]) -> None:
    assert product(concept, COVID_19) is None
