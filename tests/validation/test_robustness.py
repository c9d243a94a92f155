"""Whatever is sent, the validator answers; laws over random and over mutated resources.

https://hl7.org/fhir/R4/validation.html
"""

import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import profiles
from examples import generate
from fhir_server import wire
from fhir_server.definitions import Definitions, core, core_facts
from fhir_server.outcome import outcome
from fhir_server.validation import Validator
from fhir_server.validation.report import MAX_ISSUES
from tests.validation.conftest import EXAMPLES

R4 = Validator(core())
OFFICIAL = [wire.loads(path.read_bytes()) for path in sorted(EXAMPLES.glob("*.json"))]
TYPES = sorted(core().resource_types)
NAMES = [
    *("id", "meta", "text", "contained", "extension", "identifier", "url", "reference", "coding", "resource", "entry"),
    *("valueQuantity", "_birthDate", "div", "name", "given", "_given", "code", "system", "value", "resourceType"),
    *("profile", "type", "$where", "a.b", "", "constructor"),
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["#", "#a", "Patient/1", "2024-02-30", "urn:uuid:x", "<div/>", "http://hl7.org/fhir"])
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: wire.Exact(str(number)))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=30,
)
bodies = st.fixed_dictionaries({"resourceType": st.sampled_from(TYPES)}).flatmap(
    lambda body: st.dictionaries(
        st.sampled_from([*core().type(body["resourceType"]).members, "_status", "contained"]),  # type: ignore[union-attr]
        values,
        max_size=6,
    ).map(lambda properties: {**properties, **body})
)


@given(values)
@example({"resourceType": {}})
@example({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Bundle", "entry": []}}]})
def test_any_json_value_gets_a_report(value: Any) -> None:
    report = R4.validate(value)
    if not isinstance(value, dict):
        assert not report.valid


@given(bodies)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_resource_gets_a_report_that_can_be_written(body: dict[str, Any]) -> None:
    report = R4.validate(body)
    assert len(report.issues) <= MAX_ISSUES + 1
    wire.dumps(outcome(report.issues, "vi"))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every property and array item in `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places(child, (*path, key))


@st.composite
def mutants(draw: st.DrawFn, originals: list[dict[str, Any]]) -> dict[str, Any]:
    resource: dict[str, Any] = deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from(sorted(places(resource), key=str)))
        here = resource
        for step in steps:
            here = here[step]
        match draw(st.sampled_from(["drop", "retype", "repeat", "misspell or null"])):
            case "drop":
                del here[last]
            case "retype":
                here[last] = draw(values)
            case "repeat":
                here[last] = [here[last], here[last]]
            case _ if isinstance(here, dict):
                here[last + "x"] = here.pop(last)
            case _:
                here[last] = None
        if not resource:
            break
    return resource


@given(mutants(OFFICIAL))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_official_examples_get_a_report(resource: dict[str, Any]) -> None:
    first = R4.validate(resource)
    assert first == R4.validate(resource)
    wire.dumps(outcome(first.issues))


@given(st.sampled_from(OFFICIAL), st.data())
@settings(max_examples=300)
def test_a_misspelt_property_of_an_official_example_is_found_at_its_place(
    resource: dict[str, Any], data: st.DataObject
) -> None:
    resource = deepcopy(resource)
    named = [path for path in places(resource) if isinstance(path[-1], str) and path[-1] != "resourceType"]
    *steps, last = data.draw(st.sampled_from(named))
    here = resource
    for step in steps:
        here = here[step]
    here[last + "Qx"] = here.pop(last)
    issues = R4.validate(resource).issues
    assert any(issue.rule is not None and issue.rule.endswith(":unknown") for issue in issues)
    assert any((issue.expression or "").endswith(f".{last}Qx") for issue in issues)


def test_hostile_bodies_are_answered_in_bounded_time() -> None:
    hostile: list[dict[str, Any]] = [
        {"resourceType": "Patient", **{f"namee{number}": 1 for number in range(100_000)}},
        {"resourceType": "Patient", "n" * 1_000_000: 1},
        {"resourceType": "Patient", "name": [{"given": [""] * 100_000}]},
        {"resourceType": "Patient", "photo": [{"data": "A" * 3_000_001}]},
        {"resourceType": "Patient", "gender": "m" * 1_000_000},
        {"resourceType": "Patient", "language": "a " * 500_000},
        {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>" * 200_000}},
        {"resourceType": "p" * 1_000_000},
        {"resourceType": "Patient", "managingOrganization": {"reference": "http://a/" * 100_000 + " "}},
    ]
    for body in hostile:
        start = time.perf_counter()
        report = R4.validate(body)
        assert time.perf_counter() - start < 1.0
        assert not report.valid
        assert all(len(issue.en) < 2000 for issue in report.issues)


NATIONAL = Validator(Definitions(core_facts(), profiles.resources()))
DEMONSTRATION = [
    wire.loads(wire.dumps(entry["resource"]))
    for bundle in generate.bundles(6, seed=11, today=date(2026, 11, 1))
    for entry in bundle["entry"]
    if entry["resource"]["resourceType"] in {"Patient", "Immunization"}
]


@given(mutants(DEMONSTRATION))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])  # the first one compiles
def test_mutated_national_resources_get_a_report(resource: dict[str, Any]) -> None:
    assert NATIONAL.validate(resource) == NATIONAL.validate(resource)


@given(st.sampled_from(DEMONSTRATION), values, st.sampled_from(["extension", "identifier", "occurrenceDateTime"]))
def test_national_resources_with_anything_in_them_get_a_report(resource: dict[str, Any], value: Any, name: str) -> None:
    wire.dumps(outcome(NATIONAL.validate({**resource, name: value}).issues, "vi"))
