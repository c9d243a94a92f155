"""Valid national resources, broken in every place: each break is found, and at its place.

https://hl7.org/fhir/R4/validation.html

What a break must lead to is read from the definitions (`demands`): an element is dropped that must be there, repeated
that may be there once, given another type, a code that nobody has, the mark of another slice.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

import profiles
from examples import files, generate
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Defaults, Validator
from tests.profiles.bases import BASES
from tests.validation.demands import Demands, Path

Json = dict[str, Any]
Mutants = Iterator[tuple[Path, Json]]

TODAY = "2026-11-22"
DEFINITIONS = Definitions(core_facts(), profiles.resources())
VALIDATOR = Validator(DEFINITIONS)
DEMANDS = Demands(DEFINITIONS)
DEFAULTS = Defaults(VALIDATOR.by_type(VALIDATOR.profiles_below(profiles.CANONICAL)), enforced=True)


def _examples() -> dict[str, Json]:
    """Return two of each type of the programme, as they come over the wire: the longest invented, one of the rules."""
    found: dict[str, bytes] = {}
    for bundle in generate.bundles(40, 7, date(2026, 11, 1)):
        for resource in (entry["resource"] for entry in bundle["entry"]):
            line, type = files.line(resource), resource["resourceType"]
            if len(line) > len(found.get(type, "")) and resource.get("status") != "not-done":
                found[type] = line
    invented = {type: wire.loads(line) for type, line in sorted(found.items())}
    return invented | {f"{base['resourceType']} of the rules": wire.loads(wire.dumps(base)) for base in BASES}


EXAMPLES = _examples()


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


def changed(resource: Json, path: Path) -> tuple[Json, Any]:
    """Return a copy of `resource`, and in it what holds the value at `path`."""
    copy = deepcopy(resource)
    return copy, at(copy, path[:-1])


def issues(resource: Json) -> list[tuple[str, str]]:
    """Return severity and place of each issue."""
    report = VALIDATOR.validate(resource, today=TODAY, defaults=DEFAULTS)
    return [(issue.severity, str(issue.expression)) for issue in report.issues]


def steps(expression: str) -> tuple[str, ...]:
    """Return the element names of an expression: no indexes, no types."""
    plain = "".join(part.partition("]")[2] if "]" in part else part for part in expression.split("["))
    return tuple(step for step in plain.split(".")[1:] if not step.startswith("ofType("))


def names(path: Path) -> tuple[str, ...]:
    """Return the element names of a path; a choice is named with its type."""
    return tuple(step.removeprefix("_") for step in path if isinstance(step, str))


def near(found: tuple[str, ...], path: Path) -> bool:
    """Return whether an issue lies at the place that was broken, at what holds it, or below it."""
    broken = names(path)
    same = all(one == other or other.startswith(one) for one, other in zip(found, broken, strict=False))
    return same and len(found) >= len(broken) - 1


def another_json_type(resource: Json) -> Mutants:
    for path, value in places(resource):
        copy, holder = changed(resource, path)
        holder[path[-1]] = 7 if isinstance(value, str | list | dict) else "7"
        yield path, copy


def an_empty_value(resource: Json) -> Mutants:
    for path, value in places(resource):
        copy, holder = changed(resource, path)
        holder[path[-1]] = "" if isinstance(value, str) else {} if isinstance(value, dict) else None
        yield path, copy


def a_stranger_in_an_object(resource: Json) -> Mutants:
    for path, value in places(resource):
        if isinstance(value, dict):
            copy = deepcopy(resource)
            at(copy, path)["stranger"] = "x"
            yield path, copy


def a_single_value_as_two(resource: Json) -> Mutants:
    for path, value in places(resource):
        if isinstance(path[-1], str) and not isinstance(value, list):
            copy, holder = changed(resource, path)
            holder[path[-1]] = [value, value]
            yield path, copy


def without_what_must_be_there(resource: Json) -> Mutants:
    for path, _ in places(resource):
        place = DEMANDS.at(resource, path)
        if place is not None and isinstance(path[-1], str) and place.least > 0:
            copy, holder = changed(resource, path)
            for name in (path[-1], f"_{path[-1]}", path[-1].removeprefix("_")):
                holder.pop(name, None)
            yield path, copy
        elif place is not None and isinstance(path[-1], int) and len(at(resource, path[:-1])) == place.least > 1:
            copy, holder = changed(resource, path)
            del holder[path[-1]]
            yield path[:-1], copy


def one_more_than_there_may_be(resource: Json) -> Mutants:
    for path, value in places(resource):
        place = DEMANDS.at(resource, path) if isinstance(path[-1], int) else None
        if place is not None and place.most == 1:
            copy, holder = changed(resource, path)
            holder.append(deepcopy(value))
            yield path, copy


SAMPLES: dict[str, Any] = {
    "boolean": True,
    "string": "x",
    "dateTime": "2026-01-01",
    "date": "2026-01-01",
    "code": "x",
    "integer": 1,
    "positiveInt": 1,
    "Address": {"country": "VN"},
    "Coding": {"code": "x"},
    "CodeableConcept": {"text": "x"},
    "Period": {"start": "2026-01-01"},
    "Reference": {"display": "x"},
}


def another_type_of_a_choice(resource: Json) -> Mutants:
    """Yield what R4 lets and a profile does not."""
    for path, _ in places(resource):
        place = DEMANDS.at(resource, path)
        if place is None or not isinstance(path[-1], str) or not place.member.element.choice or place.types is None:
            continue
        stem = place.member.element.name.removesuffix("[x]")
        for kind in {one.code for one in place.member.element.types} & SAMPLES.keys() - place.types:
            copy, holder = changed(resource, path)
            for name in (path[-1], f"_{path[-1]}"):
                holder.pop(name, None)
            holder[f"{stem}{kind[0].upper()}{kind[1:]}"] = SAMPLES[kind]
            yield (*path[:-1], stem), copy


def a_code_out_of_a_closed_list(resource: Json) -> Mutants:
    for path, value in places(resource):
        place = DEMANDS.at(resource, path)
        if place is None or not place.required_codes:
            continue
        copy, holder = changed(resource, path)
        if isinstance(value, str) and isinstance(path[-1], str | int):
            holder[path[-1]] = "khong-co"
        elif isinstance(value, dict) and "coding" in value:
            value = at(copy, path)
            value["coding"] = [{**row, "code": "khong-co"} for row in value["coding"]]
        else:
            continue
        yield path, copy


def the_mark_of_another_extension(resource: Json) -> Mutants:
    """Yield extensions with the url of another one, which has a value of another type."""
    found = [
        (path, value) for path, value in places(resource) if isinstance(value, dict) and ":" in value.get("url", "")
    ]
    for path, value in found:
        kinds = {name for name in value if name.startswith("value")}
        for other in {one["url"] for _, one in found if kinds.isdisjoint(one)}:
            copy = deepcopy(resource)
            at(copy, path)["url"] = other
            yield path, copy


CHANGES: tuple[Callable[[Json], Mutants], ...] = (
    another_json_type,
    an_empty_value,
    a_stranger_in_an_object,
    a_single_value_as_two,
    without_what_must_be_there,
    one_more_than_there_may_be,
    another_type_of_a_choice,
    a_code_out_of_a_closed_list,
    the_mark_of_another_extension,
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_mutants_start_from_is_valid(example: str) -> None:
    assert [issue for issue in issues(EXAMPLES[example]) if issue[0] == "error"] == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.replace("_", " "))
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_change_is_found_at_its_place(example: str, change: Callable[[Json], Mutants]) -> None:
    for path, mutant in change(EXAMPLES[example]):
        found = [steps(place) for severity, place in issues(mutant) if severity == "error"]
        assert any(near(one, path) for one in found), (path, at(EXAMPLES[example], path[:-1]), issues(mutant))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.replace("_", " "))
def test_every_change_is_made_in_several_places(change: Callable[[Json], Mutants]) -> None:
    counts = {example: sum(1 for _ in change(resource)) for example, resource in EXAMPLES.items()}
    assert sum(counts.values()) >= 10, counts


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_code_that_its_system_does_not_have_is_found(example: str) -> None:
    resource = EXAMPLES[example]
    unknown = []
    for path, value in places(resource):
        if path[-1] != "code" or not isinstance(value, str):
            continue
        copy, holder = changed(resource, path)
        holder["code"] = "không-có"
        report = VALIDATOR.validate(copy, today=TODAY, defaults=DEFAULTS)
        told = [issue for issue in report.issues if issue.severity in ("error", "warning")]
        asked = [question for question in report.questions if "không-có" in str(question)]
        if not told and not asked:
            unknown.append(at(resource, path[:-1]).get("system", ""))
    # Systems whose codes nobody enumerates here (CVX, UCUM, ATC, SNOMED CT) have nothing to be compared with.
    assert [system for system in unknown if VALIDATOR.knows_system(system)] == []


CORE, OWN = "http://fhir.hl7.org.vn/core", "https://fhir.tiemchung.vn"
# Number, the systems that it is given in turn: each a slice that has another form.
MARKS = [
    ("001085012345", (f"{OWN}/sid/ma-tiem-chung",)),
    ("TC1", (f"{CORE}/sid/cccd", f"{CORE}/sid/bhyt", f"{CORE}/sid/cmnd", f"{CORE}/sid/passport")),
    ("GD4010123456789", (f"{CORE}/sid/cccd", f"{CORE}/sid/cmnd", f"{CORE}/sid/passport")),
]


@pytest.mark.parametrize(
    ("value", "system"), [(value, system) for value, systems in MARKS for system in systems], ids=lambda part: part
)
def test_a_number_in_the_slice_of_another_is_found(value: str, system: str) -> None:
    patient = deepcopy(EXAMPLES["Patient of the rules"])
    others = [row for row in patient["identifier"] if row["system"] != system]
    patient["identifier"] = [*others, {"system": system, "value": value}]
    place = f"Patient.identifier[{len(others)}].value"
    assert ("error", place) in issues(patient)


def test_an_extension_out_of_its_place_is_found() -> None:
    patient = deepcopy(EXAMPLES["Patient"])
    programme = EXAMPLES["Immunization"]["extension"][0]
    patient["extension"].append(programme)
    place = f"Patient.extension[{len(patient['extension']) - 1}]"
    assert ("error", place) in issues(patient)
