"""https://hl7.org/fhir/R4/nd-json.html"""

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples import files
from examples.generate import bundles

DATA = Path(files.__file__).parent / "data"
PEOPLE, SEED, TODAY = 200, 2026, date(2026, 11, 1)
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def committed() -> list[Resource]:
    return list(files.committed())


def test_the_committed_set_is_what_the_generator_writes(tmp_path: Path) -> None:
    files.write_resources(bundles(PEOPLE, SEED, TODAY), tmp_path)
    written = {path.name: gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()}
    # Compared after decompression: what gzip makes of the same bytes differs between versions of zlib.
    assert written == {path.name: gzip.decompress(path.read_bytes()) for path in DATA.iterdir()}


def test_the_committed_set_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_500_000


def test_the_committed_set_has_every_type_in_an_order_that_can_be_loaded(committed: list[Resource]) -> None:
    types = [resource["resourceType"] for resource in committed]
    assert list(dict.fromkeys(types)) == list(files.ORDER)
    assert types.count("Patient") == PEOPLE


def test_the_committed_set_has_something_of_everything(committed: list[Resource]) -> None:
    doses = [resource for resource in committed if resource["resourceType"] == "Immunization"]
    assert {dose["status"] for dose in doses} == {"completed", "not-done", "entered-in-error"}
    assert {dose["extension"][0]["valueCode"] for dose in doses} == {"tcmr", "dich-vu", "chien-dich"}
    reasons = {dose["statusReason"]["coding"][0]["code"] for dose in doses if "statusReason" in dose}
    assert reasons == {"OSTOCK", "PATOBJ", "MEDPREC"}
    assert {dose["primarySource"] for dose in doses} == {True, False}
    events = Counter(
        resource["severity"]["coding"][0]["code"]
        for resource in committed
        if resource["resourceType"] == "AdverseEvent"
    )
    assert set(events) == {"mild", "moderate", "severe"}
    assert any("_value" in resource["identifier"][0] for resource in committed if resource["resourceType"] == "Patient")


def test_the_child_of_the_walk_through_has_had_its_doses(committed: list[Resource]) -> None:
    by_id = {resource["id"]: resource for resource in committed}
    child = by_id["nguyen-minh-an"]
    assert (child["name"][0]["text"], child["gender"], child["birthDate"]) == ("Nguyễn Minh An", "male", "2025-08-12")
    assert child["identifier"][0]["value"].startswith("001225")
    doses = [
        resource for resource in committed if resource.get("patient", {}).get("reference") == "Patient/nguyen-minh-an"
    ]
    products = [dose["vaccineCode"]["coding"][0]["code"] for dose in doses if dose["resourceType"] == "Immunization"]
    assert Counter(products) == {
        "gene-hbvax": 1,
        "bcg-ivac": 1,
        "sii-penta": 3,
        "bopv": 3,
        "ipv-imovax": 2,
        "mvvac": 1,
        "jevax": 2,
    }
    following = by_id["nguyen-minh-an-next"]["recommendation"]
    assert [dose["dateCriterion"][1]["value"] for dose in following] == ["2027-02-12", "2027-02-12", "2027-08-25"]
    assert by_id["nguyen-minh-an-mother"]["name"] == by_id["tran-thi-bich-hang"]["name"]
    assert by_id["nguyen-minh-an-ae1"]["suspectEntity"][0]["instance"]["reference"].startswith(
        "Immunization/nguyen-minh-an"
    )


def test_the_mother_of_the_walk_through_can_have_a_certificate(committed: list[Resource]) -> None:
    doses = [resource for resource in committed if resource["id"].startswith("tran-thi-bich-hang-i")]
    assert [dose["vaccineCode"]["coding"][0]["code"] for dose in doses] == ["comirnaty"] * 3
    applied = [dose["protocolApplied"][0] for dose in doses]
    assert [(one["doseNumberPositiveInt"], one["seriesDosesPositiveInt"]) for one in applied] == [
        (1, 2),
        (2, 2),
        (3, 3),
    ]
    assert all(dose["status"] == "completed" for dose in doses)


@pytest.mark.parametrize("name", ["set.ndjson", "set.ndjson.gz"], ids=["plain", "compressed"])
def test_bundles_are_written_one_a_line_and_read_back(tmp_path: Path, name: str) -> None:
    made = list(bundles(10, 1, TODAY))
    path = tmp_path / name
    assert files.write_bundles(made, path) == len(made)
    text = path.read_bytes() if path.suffix == ".ndjson" else gzip.decompress(path.read_bytes())
    assert text == b"".join(files.line(bundle) for bundle in made)
    assert [files.line(bundle) for bundle in files.read(path)] == text.splitlines(keepends=True)


def test_bundles_that_could_not_all_be_written_leave_no_file_and_the_former_one_as_it_was(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Resource]:
        yield from bundles(2, 1, TODAY)
        raise KeyboardInterrupt

    path = tmp_path / "set.ndjson"
    path.write_text("former")
    with pytest.raises(KeyboardInterrupt):
        files.write_bundles(interrupted(), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("set.ndjson", "former")]


def test_resources_are_counted_by_type(tmp_path: Path) -> None:
    counts = files.write_resources(bundles(10, 1, TODAY), tmp_path, ".ndjson")
    assert list(counts) == list(files.ORDER)
    assert counts == {
        path.stem.split("-")[1]: len(path.read_bytes().splitlines()) for path in sorted(tmp_path.iterdir())
    }


def test_the_same_set_makes_the_same_compressed_file(tmp_path: Path) -> None:
    for name in ("a.ndjson.gz", "b.ndjson.gz"):
        files.write_bundles(bundles(5, 1, TODAY), tmp_path / name)
    one, other = ((tmp_path / name).read_bytes() for name in ("a.ndjson.gz", "b.ndjson.gz"))
    assert one == other
    assert one[3:8] == bytes(5)  # neither a name nor a time in the header (RFC 1952, 2.3)


def test_a_decimal_keeps_its_digits() -> None:
    assert files.line({"value": Decimal("0.50")}) == b'{"value":0.50}\n'
    with pytest.raises(TypeError):
        files.line({"value": object()})
