"""The HL7 validator's public test cases, and R4's FHIRPath test suite, against this server.

https://github.com/FHIR/fhir-test-cases · run by name: `scripts/fetch_test_cases FILE.jar`, then
`FHIR_TEST_CASES=FILE.jar pytest -m long tests/validation/test_official.py`
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from fhir_server import wire
from fhir_server.definitions import Definitions, core, core_facts
from fhir_server.outcome import FhirError
from fhir_server.validation import Validator
from tests.fhirpath import official as fhirpath
from tests.validation.official import Case, Cases

pytestmark = pytest.mark.long
KNOWN = Path(__file__).with_name("official_misses.txt")


@pytest.fixture(scope="module")
def archive() -> Iterator[ZipFile]:
    path = os.environ.get("FHIR_TEST_CASES")
    if not path:
        pytest.skip("FHIR_TEST_CASES does not name the archive of the test cases: scripts/fetch_test_cases gets it")
    with ZipFile(path) as opened:
        yield opened


def refused(case: Case) -> bool:
    """Return whether the resource of `case` has an error here."""
    try:
        resource = wire.loads(case.body)
    except FhirError:
        return True
    supporting = [one for one in case.supporting if "url" in one]
    validator = Validator(Definitions(core_facts(), supporting))
    profiles = [case.profile] if case.profile else []
    profiles += [  # those that a guide makes global are those that an operator would demand of the type
        row["profile"]
        for one in case.supporting
        for row in one.get("global", ())
        if row["type"] == resource.get("resourceType")
    ]
    return not validator.validate(resource, profiles, today="2026-11-22").valid


def test_the_cases_of_the_validator_agree_but_for_the_known_misses(archive: ZipFile) -> None:
    every = list(Cases(archive))
    misses = {case.name for case in every if refused(case) != case.error}
    known = {line.split("#")[0].strip() for line in KNOWN.read_text().splitlines()} - {""}
    assert misses == known  # one that agrees now is to be taken off the list


def test_the_suite_of_fhirpath_agrees_as_the_documentation_says(archive: ZipFile) -> None:
    found = Counter(fhirpath.verdict(case, core()) for case in fhirpath.cases(archive))
    assert found == {"agrees": AGREES, "refused": REFUSED, "differs": DIFFERS}


AGREES, REFUSED, DIFFERS = 676, 216, 29
