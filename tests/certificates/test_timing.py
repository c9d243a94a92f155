"""https://hl7.org/fhir/R4/immunization-definitions.html: nothing is certified that cannot have happened"""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.certificates.doses import Dose
from fhir_server.certificates.timing import require_possible
from fhir_server.outcome import Unprocessable

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)  # in Viet Nam it is the 23rd


@pytest.mark.parametrize(
    ("day", "born", "rule"),
    [
        ("2026-11-22", "1988-02-29", None),
        ("2026-11-23", "1988-02-29", None),
        ("2026-11-24", "1988-02-29", "dose-in-future"),
        ("2026-12", "1988", "dose-in-future"),
        ("2026", "1988", None),
        ("2027", "1988", "dose-in-future"),
        ("2026-11-20", "2026-11-20", None),
        ("2026-11-20", "2026-11-21", "dose-before-birth"),
        ("2026-11-20", "2026-12", "dose-before-birth"),
        ("2026-11-20", "2026", None),
        ("2026-11-20", "2030", "dose-before-birth"),
        ("2026-11-20", None, None),
        ("", "1988-02-29", None),
    ],
)
def test_a_dose_lies_between_birth_and_today(day: str, born: Any, rule: str | None) -> None:
    patient = {"birthDate": born} if born else {}
    found = None
    try:
        require_possible(patient, [Dose(day, 1, None, {"id": "d"})], NOW)
    except Unprocessable as error:
        [issue] = error.issues
        found = issue.rule
    assert found == rule
