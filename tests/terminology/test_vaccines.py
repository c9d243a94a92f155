"""https://hl7.org/fhir/R4/immunization-definitions.html#Immunization.vaccineCode"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import diseases, vaccines
from terminology.vaccines import ATC, CVX, PRODUCT, VACCINES

SHARED = Path(__file__).parents[2] / "../shared"


@pytest.mark.parametrize(
    ("system", "code", "products"),
    [
        (PRODUCT, "comirnaty", ["comirnaty"]),
        (CVX, "208", ["comirnaty"]),
        (CVX, "219", ["comirnaty"]),
        (CVX, "510", ["vero-cell", "hayat-vax"]),
        (CVX, "45", ["r-hbvax"]),
        (CVX, "43", ["gene-hbvax", "heberbiovac", "euvax-b", "engerix-b"]),
        (ATC, "J07AN01", ["bcg-ivac"]),
        (CVX, "00208", []),
        ("", "208", []),
        (vaccines.SNOMED, "840539006", []),
    ],
    ids=[
        "own code",
        "CVX of one product",
        "alternative CVX, where it is nobody's best",
        "CVX shared by two products",
        "a best CVX beats those who have it as an alternative",
        "alternative CVX of several products",
        "ATC",
        "unknown code",
        "no system",
        "a disease is not a vaccine",
    ],
)
def test_a_coding_means_every_product_it_can_mean(system: str, code: str, products: list[str]) -> None:
    assert [vaccine.id for vaccine in vaccines.by_coding(system, code)] == products


@given(st.sampled_from(list(VACCINES.values())))
def test_every_product_is_found_by_each_of_its_own_codes(vaccine: vaccines.Vaccine) -> None:
    for system, code in ((PRODUCT, vaccine.id), (CVX, vaccine.cvx), (ATC, vaccine.atc)):
        assert code is None or vaccine in vaccines.by_coding(system, code)


@given(st.sampled_from(list(VACCINES.values())))
def test_a_product_protects_against_known_diseases(vaccine: vaccines.Vaccine) -> None:
    assert vaccine.target_diseases
    for disease in vaccine.target_diseases:
        assert vaccine in vaccines.against(disease)
        assert diseases.by_key(diseases.DISEASES[disease].key).code == disease


def test_uncertain_facts_keep_their_marks() -> None:
    counts = [sum(vaccine.certainty == mark for vaccine in VACCINES.values()) for mark in ("high", "medium", "low")]
    assert counts == [57, 25, 13]
    assert sum(counts) == len(VACCINES) == 95
    assert diseases.by_key("COVID").certainty == "high"


VALUE_SETS = {
    "tg": "disease-agent-targeted",
    "vp": "vaccine-prophylaxis",
    "mp": "vaccine-medicinal-product",
    "ma": "vaccine-mah-manf",
}


@pytest.mark.skipif(not SHARED.exists(), reason="the EU's value sets are not at hand")
@pytest.mark.parametrize("field", VALUE_SETS)
def test_the_codes_of_the_health_certificate_are_in_the_value_sets_of_the_eu(field: str) -> None:
    path = next((SHARED / "certificates/valuesets").rglob(f"{VALUE_SETS[field]}.json"))
    codes = json.loads(path.read_text("utf-8"))["valueSetValues"]
    coded = [vaccine.dcc for vaccine in VACCINES.values() if vaccine.dcc]
    assert len(coded) == 9
    assert {getattr(dcc, field) for dcc in coded} <= set(codes)
