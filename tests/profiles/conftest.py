"""What the tests of the profiles share: a validator that knows them."""

import pytest

import profiles
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Validator


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    return Definitions(core_facts(), profiles.resources())


@pytest.fixture(scope="session")
def validator(definitions: Definitions) -> Validator:
    return Validator(definitions)
