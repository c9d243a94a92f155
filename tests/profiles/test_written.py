"""The codes that the server writes are those of the packages: a code that its system does not have would be refused."""

import pytest

from fhir_server.certificates import dose_steps
from fhir_server.certificates.formats import FORMATS
from fhir_server.definitions import Definitions
from fhir_server.operations.issue_certificate import FORMAT_SYSTEM

WRITTEN = [
    (dose_steps.STEP_SYSTEM, {step.value for step in dose_steps.Step}),
    (dose_steps.METHOD_SYSTEM, set(dose_steps.METHODS)),
    (dose_steps.ROLE_SYSTEM, {dose_steps.SIGNS_FOR}),
    (FORMAT_SYSTEM, set(FORMATS)),
]


@pytest.mark.parametrize(("system", "codes"), WRITTEN, ids=[system.rpartition("/")[2] for system, _ in WRITTEN])
def test_the_codes_that_the_server_writes_are_in_the_package(
    system: str, codes: set[str], definitions: Definitions
) -> None:
    assert {concept[0] for concept in definitions.code_systems[system]["concepts"]} == codes
