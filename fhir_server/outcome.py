"""What can go wrong, as values and as one exception tree, and how it is written down.

https://hl7.org/fhir/R4/operationoutcome.html

    FhirError 500 exception
    ├── BadRequest 400 invalid            ├── NotSupported 400 not-supported
    ├── Malformed 400 structure           ├── MethodNotAllowed 405 not-supported
    ├── NotFound 404 not-found            ├── NotAcceptable 406 not-supported
    ├── Gone 410 deleted                  ├── UnsupportedMediaType 415 not-supported
    ├── Conflict 409 conflict             ├── TooLarge 413 too-long
    │   ├── Duplicate 409 duplicate       ├── Unprocessable 422 processing
    │   └── MultipleMatches 409           ├── TooCostly 422 too-costly
    ├── PreconditionFailed 412 conflict   └── Unavailable 503 transient
    ├── TooManyRequests 429 throttled
    └── Forbidden 403 forbidden
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

Severity = Literal["fatal", "error", "warning", "information"]

RULE_URL = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-source"
TRANSLATION_URL = "http://hl7.org/fhir/StructureDefinition/translation"


class Issue(NamedTuple):
    """One finding: what is wrong (vi, en), where (FHIRPath), by which rule.

    A text that a person will read ends with the remedy: what to do about it.
    """

    severity: Severity
    code: str  # https://hl7.org/fhir/R4/valueset-issue-type.html
    en: str
    vi: str
    expression: str | None = None
    rule: str | None = None  # the rule's key, such as "dom-3" or "Patient.birthDate:max"
    profile: str | None = None  # canonical URL of the profile that the rule belongs to


class FhirError(Exception):
    """An interaction cannot be performed; carries its HTTP status and its issues."""

    status = 500
    code = "exception"
    retry_after: int | None = None

    def __init__(self, en: str, vi: str | None = None, issues: Sequence[Issue] = (), expression: str | None = None):
        super().__init__(en)
        self.issues = tuple(issues) or (Issue("error", self.code, en, vi or en, expression),)


class BadRequest(FhirError):
    status, code = 400, "invalid"


class Malformed(FhirError):
    status, code = 400, "structure"


class NotSupported(FhirError):
    status, code = 400, "not-supported"


class Forbidden(FhirError):
    status, code = 403, "forbidden"


class TooCostly(FhirError):
    status, code = 422, "too-costly"


class NotFound(FhirError):
    status, code = 404, "not-found"


class MethodNotAllowed(FhirError):
    status, code = 405, "not-supported"


class NotAcceptable(FhirError):
    status, code = 406, "not-supported"


class Conflict(FhirError):
    status, code = 409, "conflict"


class Duplicate(Conflict):
    code = "duplicate"


class MultipleMatches(Conflict):
    code = "multiple-matches"


class Gone(FhirError):
    status, code = 410, "deleted"


class PreconditionFailed(FhirError):
    status, code = 412, "conflict"


class TooLarge(FhirError):
    status, code = 413, "too-long"


class UnsupportedMediaType(FhirError):
    status, code = 415, "not-supported"


class Unprocessable(FhirError):
    status, code = 422, "processing"


class TooManyRequests(FhirError):
    """One client asks more often than it may; it may try again after some seconds."""

    status, code = 429, "throttled"

    def __init__(self, en: str, vi: str, retry_after: int):
        super().__init__(en, vi)
        self.retry_after = retry_after


class Unavailable(FhirError):
    """The database cannot be reached or is too busy; the client may try again later."""

    status, code = 503, "transient"
    retry_after = 2


def outcome(issues: Iterable[Issue], language: Literal["vi", "en"] = "en") -> dict[str, Any]:
    """Return `issues` as an OperationOutcome; `language` chooses the text, the other one is its translation."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue, language) for issue in issues]}


def _issue(issue: Issue, language: Literal["vi", "en"]) -> dict[str, Any]:
    text, other, lang = (issue.vi, issue.en, "en") if language == "vi" else (issue.en, issue.vi, "vi")
    details: dict[str, Any] = {"text": text}
    if other != text:
        translation = [{"url": "lang", "valueCode": lang}, {"url": "content", "valueString": other}]
        details["_text"] = {"extension": [{"url": TRANSLATION_URL, "extension": translation}]}
    if issue.rule:
        details["coding"] = [{"system": "urn:fhir-server:rule", "code": issue.rule}]
    written: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": details}
    if issue.profile:
        written["extension"] = [{"url": RULE_URL, "valueString": issue.profile}]
    written["diagnostics"] = issue.en
    if issue.expression:
        written["expression"] = [issue.expression]
    return written
