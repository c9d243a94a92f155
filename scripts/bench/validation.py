"""Validation of the programme's resources in one process: R4, profiles, invariants and bindings; beside it others.

BENCH_RESOURCES: how many resources of a type are measured in a round (50). The validator has met most of the
country before, as any server has after its first minutes; whoever is measured is new to it, but lives in the same wards
and is vaccinated in the same facilities. Processor time of the best of several rounds, so that other processes on the
machine disturb as little as they can.
"""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice
from typing import Any

import fhirpathpy
from fhir.resources.R4B import get_fhir_model_class
from fhirpathpy.models import models

import profiles
from examples import files, generate
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Defaults, Validator, seen
from scripts.bench.serving import tell

Json = dict[str, Any]

COUNT = int(os.environ.get("BENCH_RESOURCES", "50"))
ROUNDS = 7
PEOPLE = 3_000
MET = 600  # Bundles: facilities, lots and families
DAY = date(2026, 11, 1)


def run() -> None:
    """Print microseconds for one resource of each type, and for a Bundle of 300 entries."""
    began = time.process_time()
    validator = Validator(Definitions(core_facts(), profiles.resources()))
    ready = time.process_time() - began
    defaults = Defaults(validator.by_type(validator.profiles_below(profiles.CANONICAL)), enforced=True)
    today = DAY.isoformat()
    people = _people()
    for resource in _entries(islice(people, MET)):
        validator.validate(resource, today=today, defaults=defaults)
    gc.collect()
    gc.freeze()  # as the server does when it is ready
    tell(f"- Definitions read, validator ready: {ready:.2f} s.")
    tell()
    columns = ("R4 and profile", "nothing remembered", "R4 alone", "fhir.resources", "fhirpathpy, the profile's rules")
    tell(f"| µs of one core | {' | '.join(columns)} |")
    tell("|---|---|---|---|---|---|")
    for type in ("Patient", "Immunization"):
        rounds, others = (_rounds(type, people) for _ in range(2))
        plain = [[{name: value for name, value in one.items() if name != "meta"} for one in some] for some in others]
        model = get_fhir_model_class(type)
        rules = [fhirpathpy.compile(text, models["r4"]) for text in _expressions(type)]
        figures = (
            _best(lambda one: validator.validate(one, today=today, defaults=defaults), rounds),
            _forgetful(lambda one: validator.validate(one, today=today, defaults=defaults), rounds),
            _best(lambda one: validator.validate(one, today=today), plain),
            _best(model.model_validate, rounds),
            _best(lambda one, rules=rules: _all(rules, one), [some[:5] for some in rounds]),  # type: ignore[misc]
        )
        size = len(wire.dumps(rounds[0][0]))
        tell(f"| {type} ({size:,} bytes) | {' | '.join(f'{one * 1e6:,.0f}' for one in figures)} |")
    bundles = [[_bundle(people)] for _ in range(ROUNDS)]
    bundle = bundles[0][0]
    cost = _best(lambda one: validator.validate(one, today=today, defaults=defaults), bundles)
    tell()
    tell(f"- A transaction of {len(bundle['entry'])} entries: {cost * 1e3:,.0f} ms.")


def _people() -> Iterator[Json]:
    """Yield Bundles of one invented country: its facilities, then family after family, more than are needed."""
    return generate.bundles(PEOPLE, 1, DAY)


def _entries(bundles: Iterable[Json]) -> Iterator[Json]:
    """Yield the resources of `bundles` as the server reads them."""
    for bundle in bundles:
        for entry in bundle["entry"]:
            yield wire.loads(files.line(entry["resource"]))


def _rounds(type: str, people: Iterator[Json]) -> list[list[Json]]:
    found = (resource for resource in _entries(people) if resource["resourceType"] == type)
    return [list(islice(found, COUNT)) for _ in range(ROUNDS)]


def _bundle(people: Iterator[Json]) -> Json:
    entries: list[Json] = []
    for family in people:
        entries += wire.loads(files.line(family))["entry"]
        if len(entries) >= 300:
            break
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries[:300]}


def _expressions(type: str) -> Iterable[str]:
    """Yield the invariants of the programme's profile for `type` that are on the resource itself."""
    for definition in profiles.resources():
        if definition["resourceType"] == "StructureDefinition" and definition["type"] == type:
            for element in definition["differential"]["element"]:
                if element["path"] == type:
                    yield from (rule["expression"] for rule in element.get("constraint", ()))


def _all(rules: list[Callable[[Any, Any], Any]], resource: Json) -> None:
    for rule in rules:
        try:
            rule(resource, {"resource": resource})
        except Exception:  # what the library does not know costs it time all the same
            continue


def _forgetful(act: Callable[[Any], object], rounds: list[list[Any]]) -> float:
    """Return what `_best` does, of a validator that remembers no values."""
    length, seen.MAX_LENGTH = seen.MAX_LENGTH, -1  # type: ignore[misc]
    try:
        return _best(act, rounds)
    finally:
        seen.MAX_LENGTH = length  # type: ignore[misc]


def _best(act: Callable[[Any], object], rounds: list[list[Any]]) -> float:
    """Return seconds of processor time for one subject, of the quickest round."""
    best = float("inf")
    for subjects in rounds:
        began = time.process_time()
        for subject in subjects:
            act(subject)
        best = min(best, (time.process_time() - began) / len(subjects))
    return best
