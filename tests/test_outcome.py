"""https://hl7.org/fhir/R4/operationoutcome.html"""

import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

import fhir_server.outcome as module
from fhir_server.definitions import core
from fhir_server.outcome import FhirError, Issue, Unavailable, Unprocessable, outcome

BROKEN = Issue(
    "error",
    "value",
    "The number has 13 digits: give 12",
    "Số có 13 chữ số: hãy gửi 12",
    expression="Patient.identifier[0].value",
    rule="vn-citizen",
    profile="http://example.org/fhir/StructureDefinition/patient",
)
PLAIN = Issue("warning", "informational", "Same in both languages", "Same in both languages")


DRAWING = module.__doc__ or ""


def tree(root: type[FhirError] = FhirError) -> Iterator[type[FhirError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == module.__name__:
            yield from tree(child)


ERRORS = list(tree())


def named(error: type[FhirError]) -> str:
    return error.__name__


@pytest.mark.parametrize("error", ERRORS, ids=named)
def test_every_error_is_drawn_in_the_docstring_with_its_status_and_code(error: type[FhirError]) -> None:
    drawn = {name: (int(status), code) for name, status, code in re.findall(r"(\w+) (\d{3})(?: ([\w-]+))?", DRAWING)}
    assert drawn[error.__name__] in {(error.status, error.code), (error.status, "")}


@pytest.mark.parametrize("error", ERRORS, ids=named)
def test_every_error_has_a_code_of_the_specification_and_a_status_of_http(error: type[FhirError]) -> None:
    codes = core().codes("http://hl7.org/fhir/ValueSet/issue-type")
    assert codes is not None
    assert error.code in codes["http://hl7.org/fhir/issue-type"]
    assert HTTPStatus(error.status) >= HTTPStatus.BAD_REQUEST


def test_an_error_carries_one_issue_made_of_its_texts() -> None:
    error = Unprocessable("It is wrong", "Sai rồi", expression="Patient.name")
    assert error.issues == (Issue("error", "processing", "It is wrong", "Sai rồi", "Patient.name"),)
    assert str(error) == "It is wrong"


def test_an_error_without_a_vietnamese_text_repeats_the_english_one() -> None:
    assert FhirError("Broken").issues == (Issue("error", "exception", "Broken", "Broken"),)


def test_an_error_carries_the_issues_that_it_is_given() -> None:
    assert Unprocessable("Two things", issues=[BROKEN, PLAIN]).issues == (BROKEN, PLAIN)


def test_only_an_unavailable_server_says_when_to_try_again() -> None:
    assert [error for error in ERRORS if error.retry_after] == [Unavailable]


@pytest.mark.parametrize(
    ("language", "text", "other", "translation"),
    [("en", BROKEN.en, BROKEN.vi, "vi"), ("vi", BROKEN.vi, BROKEN.en, "en")],
)
def test_an_issue_is_written_in_the_language_asked_for_with_its_translation(
    language: str, text: str, other: str, translation: str
) -> None:
    [issue] = outcome([BROKEN], "vi" if language == "vi" else "en")["issue"]
    assert issue["details"]["text"] == text
    [extension] = issue["details"]["_text"]["extension"]
    assert extension["url"] == "http://hl7.org/fhir/StructureDefinition/translation"
    assert extension["extension"] == [
        {"url": "lang", "valueCode": translation},
        {"url": "content", "valueString": other},
    ]


def test_an_issue_says_where_and_by_which_rule_of_which_profile() -> None:
    [issue] = outcome([BROKEN])["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "value")
    assert issue["expression"] == ["Patient.identifier[0].value"]
    assert issue["details"]["coding"] == [{"system": "urn:fhir-server:rule", "code": "vn-citizen"}]
    assert [extension["valueString"] for extension in issue["extension"]] == [BROKEN.profile]


def test_a_text_that_is_the_same_in_both_languages_is_written_once() -> None:
    [issue] = outcome([PLAIN])["issue"]
    assert issue["details"] == {"text": "Same in both languages"}
    assert "expression" not in issue
    assert "extension" not in issue


@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_outcome_is_an_operation_outcome(language: str) -> None:
    written = outcome([BROKEN, PLAIN], "vi" if language == "vi" else "en")
    assert len(OperationOutcome.model_validate(written).issue) == 2
