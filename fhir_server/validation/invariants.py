"""Constraints: an element's rules in FHIRPath as checks, compiled once.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint

What `fhirpath` does not compile is given to fhirpathpy, which knows more and takes about a hundred times as long.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import fhirpathpy
from fhirpathpy.models import models

from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.functions import logical
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.outcome import Severity
from fhir_server.validation.report import Path, Walk

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]
Holds = Callable[[Any, Json], bool]

TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
ELSEWHERE: Final = ("memberOf(", "resolve(", "conformsTo(", "subsumes(", "subsumedBy(", "now(", "today(")


class Rule(NamedTuple):
    """A constraint of a profile."""

    key: str
    severity: Severity
    en: str
    vi: str
    expression: str
    profile: str  # canonical URL of the profile it comes from


def rule(constraint: Json, profile: str) -> Rule:
    """Read ElementDefinition.constraint; `human` may carry its Vietnamese translation."""
    human = constraint["human"]
    severity: Severity = "error" if constraint["severity"] == "error" else "warning"
    text = translated(constraint, "human") or human
    return Rule(constraint["key"], severity, human, text, constraint.get("expression", ""), profile)


def translated(element: Json, name: str) -> str | None:
    """Return the Vietnamese translation that property `name` of `element` carries as an extension."""
    for extension in element.get(f"_{name}", {}).get("extension", ()):
        if extension["url"] == TRANSLATION:
            parts = {part["url"]: part for part in extension.get("extension", ())}
            if parts.get("lang", {}).get("valueCode") == "vi":
                found = parts.get("content", {}).get("valueString")
                return found if isinstance(found, str) else None
    return None


def compile(constraint: Rule, names: Names) -> Check:
    """Return the check of `constraint`; raise Unsupported when neither this package nor the library can evaluate it."""
    holds = _native(constraint.expression, names)
    key, severity, en, vi, profile = (
        constraint.key,
        constraint.severity,
        constraint.en,
        constraint.vi,
        constraint.profile,
    )

    counts = "matches(" in constraint.expression  # then it helps to hear how long the value is

    def check(value: Any, path: Path, walk: Walk) -> None:
        if holds(value, walk.resource):
            return
        text = (en, vi)
        if counts and type(value) is str:
            text = (f"{en} (this one has {len(value)} characters)", f"{vi} (giá trị này có {len(value)} ký tự)")
        walk.add(severity, "invariant", path, key, text, profile)

    return check


def _native(expression: str, names: Names) -> Holds:
    try:
        evaluate = evaluation.compile(expression, names)
    except Unsupported as reason:
        if any(function in expression for function in ELSEWHERE):
            raise
        return _library(expression, reason)
    return lambda value, resource: logical(evaluate([value], resource)) is True


def _library(expression: str, reason: Unsupported) -> Holds:
    try:
        evaluate = fhirpathpy.compile(expression, models["r4"])
    except Exception as error:  # the library raises what its parser and the standard library raise
        raise Unsupported(f"{reason}; {error}") from error

    def holds(value: Any, resource: Json) -> bool:
        variables: Mapping[str, Any] = {"resource": resource, "rootResource": resource, "context": value}
        try:
            found = evaluate(value, variables)
        except Exception:  # on input it does not understand; the structure has been reported already
            return True
        return logical(list(found)) is True

    return holds
