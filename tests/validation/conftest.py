"""What the tests of validation share: one validator for R4 alone, and the official examples."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server import wire
from fhir_server.definitions import core
from fhir_server.validation import Validator

EXAMPLES = Path(__file__).parents[2] / "../shared/examples-r4"


def official(name: str) -> dict[str, Any]:
    """Read an official R4 example."""
    resource: dict[str, Any] = wire.loads((EXAMPLES / f"{name}.json").read_bytes())
    return resource


@pytest.fixture(scope="session")
def r4() -> Validator:
    return Validator(core())
