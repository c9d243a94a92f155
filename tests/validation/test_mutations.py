"""Valid national resources, broken in every place: each break is found, and at its place.

https://hl7.org/fhir/R4/validation.html
"""

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

import profiles
from examples import files, generate
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Defaults, Validator

Json = dict[str, Any]
Path = tuple[str | int, ...]

TODAY = "2026-11-22"
VALIDATOR = Validator(Definitions(core_facts(), profiles.resources()))
DEFAULTS = Defaults(VALIDATOR.by_type(VALIDATOR.profiles_below(profiles.CANONICAL)), enforced=True)


def _example(type: str) -> Json:
    """Return the first example of `type`, as it comes over the wire."""
    every = (entry["resource"] for bundle in generate.bundles(6, 7, date(2026, 11, 1)) for entry in bundle["entry"])
    found = next(one for one in every if one["resourceType"] == type and one.get("primarySource", True))
    resource: Json = wire.loads(files.line(found))
    return resource


EXAMPLES = {type: _example(type) for type in ("Patient", "Immunization")}


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value within `value` with the way to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        if key != "resourceType":
            yield (*path, key), child
            yield from places(child, (*path, key))


def at(resource: Json, path: Path) -> Any:
    """Return what lies at `path`."""
    here: Any = resource
    for step in path:
        here = here[step]
    return here


def issues(resource: Json) -> list[tuple[str, str]]:
    """Return severity and place of each issue."""
    report = VALIDATOR.validate(resource, today=TODAY, defaults=DEFAULTS)
    return [(issue.severity, str(issue.expression)) for issue in report.issues]


def steps(expression: str) -> tuple[str, ...]:
    """Return the element names of an expression: no indexes, no types."""
    plain = "".join(part.partition("]")[2] if "]" in part else part for part in expression.split("["))
    return tuple(step for step in plain.split(".")[1:] if not step.startswith("ofType("))


def names(path: Path) -> tuple[str, ...]:
    """Return the element names of a path; a choice is named without its type."""
    return tuple(step for step in path if isinstance(step, str))


def near(found: tuple[str, ...], path: Path) -> bool:
    """Return whether an issue lies at the place that was broken, or at what holds it."""
    broken = names(path)
    return all(one == other or other.startswith(one) for one, other in zip(found, broken, strict=False))


def mutants(type: str, change: str) -> Iterator[tuple[Path, Json]]:
    """Yield the resource, changed at one place."""
    for path, value in places(EXAMPLES[type]):
        copy = deepcopy(EXAMPLES[type])
        holder = at(copy, path[:-1])
        match change:
            case "another JSON type":
                holder[path[-1]] = 7 if isinstance(value, str | list | dict) else "7"
            case "an empty value":
                holder[path[-1]] = "" if isinstance(value, str) else {} if isinstance(value, dict) else None
            case "a stranger in every object" if isinstance(value, dict):
                value = at(copy, path)
                value["stranger"] = "x"
            case "a repeated single value" if isinstance(path[-1], str) and not isinstance(value, list):
                holder[path[-1]] = [value, value]
            case "a code nobody has" if path[-1] == "code" and isinstance(value, str):
                holder[path[-1]] = "không-có"
            case _:
                continue
        yield path, copy


@pytest.mark.parametrize("type", EXAMPLES)
def test_what_the_mutants_start_from_is_valid(type: str) -> None:
    assert [issue for issue in issues(EXAMPLES[type]) if issue[0] == "error"] == []


@pytest.mark.parametrize(
    "change", ["another JSON type", "an empty value", "a stranger in every object", "a repeated single value"]
)
@pytest.mark.parametrize("type", EXAMPLES)
def test_a_change_of_shape_is_found_at_its_place(type: str, change: str) -> None:
    count = 0
    for path, mutant in mutants(type, change):
        count += 1
        found = [steps(place) for severity, place in issues(mutant) if severity == "error"]
        assert any(near(one, path) for one in found), (path, issues(mutant))
    assert count > 5


@pytest.mark.parametrize("type", EXAMPLES)
def test_a_code_that_its_system_does_not_have_is_found(type: str) -> None:
    unknown = []
    for path, mutant in mutants(type, "a code nobody has"):
        system = at(EXAMPLES[type], path[:-1]).get("system", "")
        report = VALIDATOR.validate(mutant, today=TODAY, defaults=DEFAULTS)
        told = [issue for issue in report.issues if issue.severity in ("error", "warning")]
        asked = [question for question in report.questions if "không-có" in str(question)]
        if not told and not asked:
            unknown.append(system)
    # Systems whose codes nobody enumerates here (CVX, UCUM, ATC, SNOMED CT) have nothing to be compared with.
    assert [system for system in unknown if VALIDATOR.knows_system(system)] == []


MANDATORY = {
    "Patient": ("identifier", "name", "gender", "birthDate"),
    "Immunization": (
        "status",
        "vaccineCode",
        "patient",
        "occurrenceDateTime",
        "lotNumber",
    ),
}


@pytest.mark.parametrize(
    ("type", "name"), [(type, name) for type, every in MANDATORY.items() for name in every if name in EXAMPLES[type]]
)
def test_a_mandatory_element_that_is_dropped_is_found(type: str, name: str) -> None:
    mutant = {key: value for key, value in EXAMPLES[type].items() if key != name}
    assert any(severity == "error" for severity, _ in issues(mutant))


def test_a_slice_that_occurs_twice_is_found() -> None:
    patient = deepcopy(EXAMPLES["Patient"])
    patient["identifier"].append(deepcopy(patient["identifier"][0]))
    assert ("error", "Patient.identifier") in issues(patient)


def test_an_extension_out_of_its_place_is_found() -> None:
    patient = deepcopy(EXAMPLES["Patient"])
    programme = EXAMPLES["Immunization"]["extension"][0]
    patient["extension"].append(programme)
    place = f"Patient.extension[{len(patient['extension']) - 1}]"
    assert ("error", place) in issues(patient)
