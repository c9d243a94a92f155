"""Validation of the programme's resources in one process: R4, profiles, invariants and bindings; beside it others.

BENCH_RESOURCES: how many resources of a type are measured (50). Processor time of the best of several rounds, so that
other processes on the machine disturb as little as they can.
"""

import os
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import fhirpathpy
from fhir.resources.R4B import get_fhir_model_class
from fhirpathpy.models import models

import profiles
from examples import files, generate
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Defaults, Validator
from scripts.bench.serving import tell

Json = dict[str, Any]

COUNT = int(os.environ.get("BENCH_RESOURCES", "50"))
ROUNDS = 7
DAY = date(2026, 11, 1)


def run() -> None:
    """Print microseconds for one resource of each type, and for a Bundle of 300 entries."""
    began = time.process_time()
    validator = Validator(Definitions(core_facts(), profiles.resources()))
    ready = time.process_time() - began
    defaults = Defaults(validator.by_type(validator.profiles_below(profiles.CANONICAL)), enforced=True)
    today = DAY.isoformat()
    tell(f"- Definitions read, validator ready: {ready:.2f} s.")
    tell()
    tell("| µs of one core | R4 and profile | R4 alone | fhir.resources | fhirpathpy, the profile's rules |")
    tell("|---|---|---|---|---|")
    for type in ("Patient", "Immunization"):
        some = _examples(type)
        plain = [{name: value for name, value in one.items() if name != "meta"} for one in some]
        model = get_fhir_model_class(type)
        rules = [fhirpathpy.compile(text, models["r4"]) for text in _expressions(type)]
        columns = (
            _best(lambda one: validator.validate(one, today=today, defaults=defaults), some),
            _best(lambda one: validator.validate(one, today=today), plain),
            _best(model.model_validate, some),
            _best(lambda one, rules=rules: _all(rules, one), some[:5]),  # type: ignore[misc]
        )
        tell(f"| {type} ({len(wire.dumps(some[0])):,} bytes) | {' | '.join(f'{one * 1e6:,.0f}' for one in columns)} |")
    bundle = _bundle()
    cost = _best(lambda one: validator.validate(one, today=today, defaults=defaults), [bundle])
    tell()
    tell(f"- A transaction of {len(bundle['entry'])} entries: {cost * 1e3:,.0f} ms.")


def _examples(type: str) -> list[Json]:
    found: list[Json] = []
    for bundle in generate.bundles(COUNT, 7, DAY):
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == type and len(found) < COUNT:
                found.append(wire.loads(files.line(entry["resource"])))
    return found


def _bundle() -> Json:
    entries: list[Json] = []
    for bundle in generate.bundles(COUNT, 7, DAY):
        entries += wire.loads(files.line(bundle))["entry"]
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


def _best(act: Callable[[Any], object], subjects: list[Any]) -> float:
    """Return seconds of processor time for one subject, of the quickest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for subject in subjects:
            act(subject)
        best = min(best, (time.process_time() - began) / len(subjects))
    return best
