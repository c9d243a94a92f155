"""Validation: is this resource what R4 and its profiles say it is? Pure: no I/O, nothing awaited.

https://hl7.org/fhir/R4/validation.html

    definitions ──► Structures (types → closures) ─┐
                ──► Profiles   (rules → closures) ─┤
                                                   ▼
    wire.loads(body) ──► Validator.validate(resource) ──► Report(issues, questions)

The conductor refuses what has errors, and answers the questions that only I/O can answer (does this reference
exist?) in one batch for all resources of a request. Closures compile when first met and are kept.
"""

from fhir_server.validation.report import CodeIsIn, Defaults, Exists, KeepsRule, MatchesProfile, Question, Report
from fhir_server.validation.validator import Validator

__all__ = ["CodeIsIn", "Defaults", "Exists", "KeepsRule", "MatchesProfile", "Question", "Report", "Validator"]
