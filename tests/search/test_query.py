"""Reading a search: everything that is wrong at once, nothing that is wrong unnoticed.

https://hl7.org/fhir/R4/search.html
"""

import pytest

from fhir_server.outcome import BadRequest, FhirError, NotSupported
from fhir_server.search import query
from fhir_server.search.criteria import Chain, Criterion
from fhir_server.search.query import Query
from tests.search.searching import CATALOGUE, NOW


def parse(type: str, *parameters: tuple[str, str], lenient: bool = False) -> Query:
    return query.parse(CATALOGUE, type, parameters, now=NOW, lenient=lenient)


REFUSED = [
    ("nothing", "1", NotSupported, "no search parameter 'nothing'"),
    ("_text", "a", NotSupported, "_text is not supported"),
    ("_content", "a", NotSupported, "_content is not supported"),
    ("_filter", "a eq b", NotSupported, "_filter: a: Patient has no search parameter 'a'"),
    ("_list", "$current-problems", NotSupported, "functional lists"),
    ("age", "3", NotSupported, "age is not supported"),
    ("name:fuzzy", "a", NotSupported, "no modifier 'fuzzy'; available: missing, exact, contains"),
    ("name:", "a", NotSupported, "no modifier ''"),
    ("gender:of-type", "a|b|c", NotSupported, "no modifier 'of-type'"),
    ("gender:text", "a", NotSupported, "no modifier 'text'"),
    ("active:in", "http://x", NotSupported, "no modifier 'in'"),
    ("gender:in", "http://x", BadRequest, "no value set whose codes"),
    ("gender:in", "http://example.org/fhir/ValueSet/none|1", BadRequest, "no value set whose codes"),
    ("gender:below", "http://x|y", BadRequest, "does not know that code"),
    ("gender:below", "http://hl7.org/fhir/administrative-gender|y", BadRequest, "does not know that code"),
    ("gender:above", "y", BadRequest, "names no place in a hierarchy"),
    ("_tag:below", "M", BadRequest, "names no place in a hierarchy"),
    ("identifier:text", "!!", BadRequest, "no letter or digit"),
    ("general-practitioner:Patient", "1", NotSupported, "no modifier 'Patient'"),
    ("_lastUpdated:missing", "true", NotSupported, "no modifier 'missing'"),
    ("birthdate", "yesterday", BadRequest, "is no date"),
    ("birthdate", "2024,yesterday", BadRequest, "is no date"),
    ("birthdate:missing", "maybe", BadRequest, "write true or false"),
    ("gender", "a|b|c", BadRequest, "is no token"),
    ("name", "", BadRequest, "empty"),
    ("name", "a,", BadRequest, "no letter or digit"),
    ("_id", "../x", BadRequest, "is no id"),
    ("_id", ",".join(map(str, range(201))), BadRequest, "201 alternatives are too many"),
    ("name", "x" * 5000, BadRequest, "longer than 4096"),
    ("name.family", "a", NotSupported, "name does not refer to other resources"),
    ("organization:Patient.name", "a", NotSupported, "organization does not refer to Patient"),
    ("organization.nothing", "a", NotSupported, "Organization has no search parameter 'nothing'"),
    ("organization.active", "a|b|c", BadRequest, "is no token"),
    ("organization." + "partof." * 5 + "name", "a", BadRequest, "at most"),
    ("_count", "-1", BadRequest, "whole number"),
    ("_count", "1.5", BadRequest, "whole number"),
    ("_count", "٣", BadRequest, "whole number"),
    ("_total", "exact", BadRequest, "none of none, estimate, accurate"),
    ("_summary", "yes", BadRequest, "none of"),
    ("_elements", "nom", BadRequest, "no element 'nom'"),
    ("_sort", "nothing", NotSupported, "cannot be sorted by 'nothing'"),
    ("_sort", "name,name,name,name,name,name", BadRequest, "at most 5 keys"),
    ("_include", "Patient:nothing", NotSupported, "is no reference"),
    ("_include", "Patient:name", NotSupported, "is no reference"),
    ("_include", "Immunization:patient", NotSupported, "is no reference"),
    ("_include", "Patient:organization:Patient", NotSupported, "is no reference"),
    ("_include:iterate", "*", NotSupported, "without bounds"),
    ("_include:recurse", "Patient:organization", NotSupported, "no modifier 'recurse'"),
    ("_revinclude", "*", NotSupported, "without bounds"),
    ("_revinclude", "Immunization:location", NotSupported, "is no reference"),
    ("_revinclude", "Nothing:patient", NotSupported, "is no reference"),
    ("_revinclude", "Immunization", NotSupported, "is no reference"),
]


@pytest.mark.parametrize(
    ("name", "text", "error", "reason"), REFUSED, ids=[f"{name}={text[:30]}" for name, text, _, _ in REFUSED]
)
def test_refuses_and_says_why(name: str, text: str, error: type[FhirError], reason: str) -> None:
    with pytest.raises(error) as refused:
        parse("Patient", ("active", "true"), (name, text))
    assert refused.value.status == 400
    [issue] = refused.value.issues
    assert reason in issue.en
    assert issue.en.startswith(name)
    assert issue.vi.startswith(name)
    assert issue.vi != issue.en


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadRequest) as refused:
        parse("Patient", ("nothing", "1"), ("birthdate", "x"), ("name", "ok"), ("_count", "x"))
    assert [issue.code for issue in refused.value.issues] == ["not-supported", "invalid", "invalid"]


def test_an_answer_about_an_unknown_parameter_names_those_there_are() -> None:
    with pytest.raises(NotSupported) as refused:
        parse("Immunization", ("vaccine", "1"))
    assert "vaccine-code" in refused.value.issues[0].en
    assert "_content" not in refused.value.issues[0].en


def test_lenient_leaves_out_what_is_unknown_and_says_so() -> None:
    read = parse("Patient", ("nothing", "1"), ("name", "An"), ("gender:text", "x"), ("family", " "), lenient=True)
    assert read.applied == (("name", "An"),)
    assert [issue.severity for issue in read.ignored] == ["warning"] * 3


def test_lenient_still_refuses_what_is_malformed() -> None:
    with pytest.raises(BadRequest):
        parse("Patient", ("birthdate", "x"), lenient=True)


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(BadRequest):
        parse("Patient", *[("name", "a")] * 51)


def test_a_result_parameter_is_given_once() -> None:
    with pytest.raises(BadRequest):
        parse("Patient", ("_count", "1"), ("_count", "2"))


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("7", 7), ("1000", 1000), ("999999999", 1000)])
def test_a_page_is_capped_and_the_self_link_says_so(text: str, count: int) -> None:
    read = parse("Patient", ("_count", text))
    assert read.count == count
    assert read.applied == (("_count", str(count)),)


@pytest.mark.parametrize(
    ("parameter", "expected"), [(("_count", "0"), True), (("_summary", "count"), True), (("_summary", "false"), False)]
)
def test_a_client_may_want_only_the_number(parameter: tuple[str, str], expected: bool) -> None:
    assert parse("Patient", parameter).only_count is expected


def test_values_are_alternatives_and_parameters_conditions() -> None:
    read = parse("Patient", ("given", r"An,B\,ình"), ("given", "Minh"))
    first, second = read.criteria
    assert isinstance(first, Criterion)
    assert isinstance(second, Criterion)
    assert [value.text for value in first.values] == ["An", "B,ình"]  # type: ignore[union-attr]
    assert len(second.values) == 1


def test_a_chain_leads_to_every_type_that_knows_the_parameter() -> None:
    read = parse("Immunization", ("performer.name", "An"), ("patient:Patient.birthdate", "2020"))
    performer, patient = read.criteria
    assert isinstance(performer, Chain)
    assert isinstance(patient, Chain)
    assert [type for type, _ in performer.links] == ["Practitioner", "Organization"]
    assert [type for type, _ in patient.links] == ["Patient"]


def test_a_reference_leads_only_where_its_element_can_point() -> None:
    [patient] = parse("Immunization", ("patient.identifier", "1")).criteria
    assert isinstance(patient, Chain)
    assert [type for type, _ in patient.links] == ["Patient"]  # not Group, which the parameter names too


def test_reads_sorting_and_including() -> None:
    read = parse(
        "Immunization",
        ("_sort", "-date,_id"),
        ("_include", "Immunization:patient"),
        ("_include", "Immunization:performer:Organization"),
        ("_total", "accurate"),
        ("_elements", "status,Immunization.vaccineCode,occurrence"),
        ("_format", "json"),
    )
    assert [(key.parameter.code, key.descending) for key in read.sort] == [("date", True), ("_id", False)]
    assert [(each.names, each.target) for each in read.includes] == [
        (("patient",), None),
        (("performer",), "Organization"),
    ]
    assert (read.total, read.elements) == ("accurate", ("status", "vaccineCode", "occurrence"))


def test_reverse_includes_name_the_type_searched() -> None:
    read = parse("Patient", ("_revinclude", "Immunization:patient"), ("_revinclude", "Observation:subject:Patient"))
    assert [(each.source, each.names) for each in read.revincludes] == [
        ("Immunization", ("patient",)),
        ("Observation", ("subject",)),
    ]
