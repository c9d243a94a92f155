"""https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint"""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import profiles
from fhir_server.definitions import Definitions, core, core_facts
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Evaluate, Truth
from fhir_server.fhirpath.functions import logical
from fhir_server.fhirpath.names import names, together
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.outcome import Issue
from fhir_server.validation import invariants
from fhir_server.validation.invariants import Rule
from fhir_server.validation.report import Walk, root
from tests.validation.test_mutations import EXAMPLES
from tests.validation.test_robustness import OFFICIAL, mutants

DEFINITIONS = Definitions(core_facts(), profiles.resources())

LE = {"resourceType": "Patient", "name": [{"family": "Lê"}]}
NGUYEN = {"resourceType": "Patient", "name": [{"family": "Nguyễn"}]}


def compiled(expression: str) -> invariants.Check:
    rule = Rule("x-1", "error", "no", "không", expression, "http://x")
    return invariants.check([invariants.compile(rule, names(core(), "Patient"))])


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


@pytest.mark.parametrize("length", [5, invariants.MAX_NAMES], ids=["short names", "long names"])
def test_a_rule_is_asked_of_objects_with_whatever_members(length: int) -> None:
    check, walk = compiled("gender.exists() implies name.exists()"), Walk()
    for number in range(3 * invariants.MAX_SHAPES):
        invented = {f"{number:0{length}}": 1}
        for told in ({}, {"name": [{"text": "An"}]}, {"gender": "male", "name": [{"text": "An"}]}):
            check({**invented, **told}, root("Patient"), walk)
        assert walk.issues == []
        check({**invented, "gender": "male"}, root("Patient"), walk)
        assert len(walk.issues) == 1
        walk.issues.clear()


RULES: dict[str, list[tuple[str, Evaluate, Truth]]] = {}


def rules(type: str) -> list[tuple[str, Evaluate, Truth]]:
    """Return R4's constraints on a resource type and those of its profiles: the general closures, what is written."""
    if type not in RULES:
        definition = DEFINITIONS.type(type)
        told = [] if definition is None else [rule.expression for rule in definition.root.constraints]
        for one in DEFINITIONS.profiles.values():
            if one["type"] == type:
                elements = one["differential"]["element"]
                told += [rule["expression"] for each in elements for rule in each.get("constraint", ())]
        RULES[type] = []
        for text in filter(None, told):
            asked = invariants.types_named(text, DEFINITIONS.resource_types)
            named = together([names(DEFINITIONS, each) for each in (type, *asked)])
            with suppress(Unsupported):
                RULES[type].append((text, evaluation.compile(text, named), evaluation.truth(text, named)))
    return RULES[type]


@given(mutants([*EXAMPLES.values(), *OFFICIAL]))
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_for_a_rule_says_what_the_general_closures_say(resource: Any) -> None:
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return
    values = [resource, *(part for parts in resource.values() if isinstance(parts, list) for part in parts)]
    for text, general, truth in rules(resource["resourceType"]):
        for value in values:
            around = [Around(resource, today="2026-11-22") for _ in range(2)]
            told = truth(value, around[0]), logical(general([value], around[1]))
            assert (text, told[0]) == (text, told[1])
