"""https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint"""

from typing import Any

import pytest

from fhir_server.definitions import core
from fhir_server.fhirpath.names import names
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.outcome import Issue
from fhir_server.validation import invariants
from fhir_server.validation.invariants import Rule
from fhir_server.validation.report import Walk, root

LE = {"resourceType": "Patient", "name": [{"family": "Lê"}]}
NGUYEN = {"resourceType": "Patient", "name": [{"family": "Nguyễn"}]}


def compiled(expression: str) -> invariants.Check:
    rule = Rule("x-1", "error", "no", "không", expression, "http://x")
    return invariants.compile(rule, names(core(), "Patient"))


def issues(expression: str, resource: dict[str, Any]) -> list[Issue]:
    walk = Walk()
    compiled(expression)(resource, root("Patient"), walk)
    return walk.issues


@pytest.mark.parametrize(
    "expression",
    ["name.family = 'Nguyễn'", "name.family.replaceMatches('N', 'M') = 'Mguyễn'"],
    ids=["compiled", "what only the library knows is given to it"],
)
def test_reports_the_rule_that_does_not_hold(expression: str) -> None:
    assert issues(expression, NGUYEN) == []
    assert [(issue.rule, issue.severity) for issue in issues(expression, LE)] == [("x-1", "error")]


@pytest.mark.parametrize("expression", ["name.given.aggregate($this)", "name.subsumes(name)"])
def test_refuses_what_nobody_here_can_evaluate(expression: str) -> None:
    with pytest.raises(Unsupported):
        compiled(expression)
