"""Index entries: complete, short, few.

https://hl7.org/fhir/R4/search.html
"""

import copy
import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server import wire
from fhir_server.definitions import core
from fhir_server.outcome import Unprocessable
from fhir_server.search.entries import PRESENT, abbreviate, escape, successor
from fhir_server.search.index import MOST
from fhir_server.search.parameters import searchable
from tests.search.searching import CATALOGUE, INDEXER

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
OFFICIAL = Path(__file__).parents[2] / "../shared/examples-r4"

DOSE = {
    "resourceType": "Immunization",
    "id": "m1",
    "meta": {"profile": ["http://fhir.hl7.org.vn/core/StructureDefinition/vn-core-immunization"]},
    "identifier": [{"system": "http://fhir.hl7.org.vn/core/sid/ma-lk", "value": "TC-2024-000123456"}],
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "102"}], "text": "5 trong 1"},
    "patient": {"reference": "Patient/0b2c9c34-1bd1-4a5e-9d0c-0f5f5a3b1c11", "display": "Nguyễn Minh Khôi"},
    "occurrenceDateTime": "2024-03-01T09:12:00+07:00",
    "location": {"reference": "Location/tyt-ben-thanh"},
    "lotNumber": "TCMR-2026-001",
    "performer": [{"actor": {"reference": "Organization/tyt-ben-thanh"}}],
    "protocolApplied": [
        {"targetDisease": [{"coding": [{"system": "http://snomed.info/sct", "code": "397430003"}]}], "series": "TCMR"}
    ],
}


def test_the_entries_of_a_dose() -> None:
    assert INDEXER.index(DOSE).entries == (
        "_profile|~vnsd/vn-core-immunization|",
        "date|202403010212-20240301021201",
        "identifier|tc-2024-000123456|~vnsid/ma-lk",
        "location|tyt-ben-thanh|Location",
        "lot-number|tcmr2026001\tTCMR-2026-001",
        "patient|0b2c9c34-1bd1-4a5e-9d0c-0f5f5a3b1c11|Patient",
        "performer|tyt-ben-thanh|Organization",
        "series|tcmr\tTCMR",
        "status|completed|",
        "target-disease|397430003|~sct",
        "vaccine-code:text|5 trong 1",
        "vaccine-code|102|~cvx",
    )


def resources(of: str) -> Iterator[dict[str, Any]]:
    with gzip.open(next(EXAMPLES.glob(f"*-{of}.ndjson.gz"))) as lines:
        yield from (wire.loads(line) for line in islice(lines, 200))


def test_a_dose_has_few_and_short_entries() -> None:
    found = [INDEXER.index(dose).entries for dose in resources("Immunization")]
    sizes = [(len(entries), sum(len(entry.encode()) for entry in entries)) for entries in found]
    assert sum(count for count, _ in sizes) / len(sizes) <= 19
    assert sum(size for _, size in sizes) / len(sizes) <= 600


def official() -> list[Path]:
    return sorted(OFFICIAL.glob("*.json")) or [pytest.param(None, marks=pytest.mark.skip("no official examples here"))]  # type: ignore[list-item]


@pytest.mark.parametrize("path", official(), ids=lambda path: path.stem if path else "none")
def test_official_examples_are_indexed(path: Path) -> None:
    resource = wire.loads(path.read_bytes())
    found = INDEXER.index(resource)
    assert list(found.entries) == sorted(set(found.entries))
    assert all(len(entry) < 1200 for entry in found.entries)
    if resource["resourceType"] == "Patient":
        assert found.patient == resource["id"]


@pytest.mark.parametrize(
    ("change", "patient"),
    [
        ({}, "0b2c9c34-1bd1-4a5e-9d0c-0f5f5a3b1c11"),
        ({"patient": {"reference": "https://tiem.example.vn/fhir/Patient/7"}}, "7"),
        ({"patient": {"reference": "https://other.example/fhir/Patient/7"}}, None),
        ({"patient": {"display": "An"}}, None),
        ({"resourceType": "Organization", "id": "o"}, None),
        ({"resourceType": "Patient", "id": "p"}, "p"),
    ],
    ids=["its patient", "by own address", "elsewhere", "unknown", "in no compartment", "the patient itself"],
)
def test_the_patient_compartment(change: dict[str, Any], patient: str | None) -> None:
    assert INDEXER.index({**DOSE, **change}).patient == patient


def test_a_resource_of_two_patients_is_in_no_single_compartment() -> None:
    schedule = {
        "resourceType": "Appointment",
        "participant": [{"actor": {"reference": "Patient/1"}}, {"actor": {"reference": "Patient/2"}}],
    }
    assert INDEXER.index(schedule).patient is None
    schedule["participant"] = schedule["participant"][:1]
    assert INDEXER.index(schedule).patient == "1"


def test_an_element_with_only_extensions_has_no_entry() -> None:
    name = {"given": [None, "An"], "_given": [{"extension": []}, None]}
    patient = {"resourceType": "Patient", "_birthDate": {"extension": []}, "name": [name]}
    assert not any(entry.startswith("birthdate") for entry in INDEXER.index(patient).entries)
    assert "given|an\tAn" in INDEXER.index(patient).entries


def test_a_value_without_entries_is_present() -> None:
    patient = {"resourceType": "Patient", "telecom": [{"system": "phone"}]}
    assert f"phone{PRESENT}" in INDEXER.index(patient).entries


def test_a_resource_with_too_many_searchable_values_is_refused() -> None:
    items = [{"item": {"reference": f"Patient/{i}"}} for i in range(MOST + 1)]
    assert len(INDEXER.index({"resourceType": "List", "entry": items[:MOST]}).entries) == MOST
    with pytest.raises(Unprocessable, match="10001 searchable values"):
        INDEXER.index({"resourceType": "List", "entry": items})


def test_pairs_multiply_up_to_the_limit_only() -> None:
    many = {"coding": [{"system": "http://x", "code": str(n)} for n in range(200)]}
    quantities = ({"value": n, "system": "http://unitsofmeasure.org", "code": "mg"} for n in range(100))
    components = [{"code": many, "valueQuantity": each} for each in quantities]
    with pytest.raises(Unprocessable, match=r"has 1\d{4} searchable values"):  # of 80,000
        INDEXER.index({"resourceType": "Observation", "code": {"text": "?"}, "component": components})


def test_indexing_changes_nothing() -> None:
    before = copy.deepcopy(DOSE)
    INDEXER.index(DOSE)
    assert before == DOSE


# Why these cannot be searched is part of every answer that refuses them.
UNSUPPORTED = {"CodeSystem.code", "Patient.age", "Patient.birthOrderBoolean"}
EVERYWHERE = {"_content", "_filter", "_query", "_text"}


def test_every_search_parameter_of_r4_is_indexed_but_these() -> None:
    refused = {
        f"{type}.{code}"
        for type in core().resource_types
        for code, parameter in CATALOGUE.parameters(type).items()
        if parameter.unsupported is not None and code not in EVERYWHERE
    }
    assert refused == UNSUPPORTED


def test_what_is_declared_as_supported_is_what_can_be_searched() -> None:
    assert set(searchable(CATALOGUE.parameters("Patient"))) == set(core().search_parameters("Patient")) - EVERYWHERE - {
        "age",
        "birthOrderBoolean",
    }


TEXTS = st.text(st.sampled_from("\\|\n\tab~#"), max_size=6) | st.text(min_size=250, max_size=300)


@given(TEXTS, TEXTS)
def test_no_two_texts_are_escaped_alike(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) is (one == other)
    assert not set(escape(one).replace("\\|", "")) & set("|\n\t")


SYSTEMS = json.loads((Path(__file__).parents[2] / "fhir_server/search/data/systems.json").read_text())
NAMES = [*SYSTEMS["exact"], *(f"{prefix}{rest}" for prefix in SYSTEMS["prefixes"] for rest in ("", "x", "sid/x", "~"))]
NAMES += [f"~{short}" for short in [*SYSTEMS["exact"].values(), *SYSTEMS["prefixes"].values()]]


def test_no_two_systems_have_the_same_short_name() -> None:
    assert len({abbreviate(system) for system in NAMES}) == len(set(NAMES))
    assert not any("/" in short for short in SYSTEMS["exact"].values())


characters = st.characters(exclude_categories=("Cs",))


@given(st.text(characters, max_size=3), st.text(characters, max_size=3))
@example("\ud7ff", "\U0010ffff")
@example("\U0010ffff", "\U0010ffff")
def test_the_successor_is_above_all_that_begins_so(text: str, rest: str) -> None:
    beginning = "|" + text
    above = successor(beginning)
    assert beginning.encode() <= (beginning + rest).encode() < above.encode()
    assert not above.startswith(beginning)
