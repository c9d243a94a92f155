"""The law of token search: found exactly when described.

https://hl7.org/fhir/R4/search.html#token
"""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.search.types import token
from fhir_server.search.types.token import OfType, Token
from fhir_server.search.values import Invalid
from tests.search.searching import CONTEXT, finds, lies

UCUM = "http://unitsofmeasure.org"
SYSTEMS = ["", "http://loinc.org", UCUM, "http://hl7.org/fhir/sid/cvx", "http://x|y", "~loinc", "\\~loinc", "a"]
systems = st.sampled_from(SYSTEMS)
AWKWARD = ["08", "8", "a", "A", "a|b", "a\\", "a\\|b", "\\", "|", "a\tb", "a\nb", "ß", "x" * 300]
characters = st.characters(exclude_categories=("Cs",))
codes = st.sampled_from(AWKWARD) | st.text(characters, min_size=1, max_size=3)
codings = st.fixed_dictionaries({}, optional={"system": st.sampled_from(SYSTEMS[1:]), "code": codes})
tokens = st.builds(Token, st.none() | systems, codes) | st.builds(Token, st.sampled_from(SYSTEMS[1:]), st.none())


def described(coding: dict[str, str], wanted: Token) -> bool:
    """What the page says, read aloud."""
    system, code = coding.get("system", ""), coding.get("code", "")
    if wanted.system is not None and wanted.system != system:
        return False
    if wanted.code is None:
        return True
    if not code and not system:
        return False
    if system in CONTEXT.case_sensitive:
        # Who does not name the system cannot know that case matters.
        return wanted.code == code or (wanted.system is None and wanted.code.casefold() == code)
    return wanted.code.casefold() == code.casefold()


@given(codings, tokens)
@example({"code": "a"}, Token(None, "a|b"))
@example({"system": "a", "code": "\\"}, Token("a", "\\|"))
@example({"system": UCUM, "code": "A"}, Token(None, "a"))
@example({"system": UCUM, "code": "a"}, Token(None, "A"))
@example({"system": UCUM, "code": "a"}, Token(UCUM, "A"))
@example({"system": "~loinc", "code": "1"}, Token("http://loinc.org", "1"))
def test_an_indexed_coding_is_found_exactly_when_the_token_describes_it(coding: dict[str, str], wanted: Token) -> None:
    read = token.reader("Coding", CONTEXT)
    assert read is not None
    assert lies(read(coding), token.match(wanted, CONTEXT, {})) == described(coding, wanted)


@given(st.lists(codings, max_size=3), st.lists(tokens, min_size=1, max_size=3))
def test_any_coding_of_a_concept_and_any_of_the_tokens(concept: list[dict[str, str]], wanted: list[Token]) -> None:
    read = token.reader("CodeableConcept", CONTEXT)
    assert read is not None
    spans = [span for each in wanted for span in token.match(each, CONTEXT, {})]
    expected = any(described(coding, each) for coding in concept for each in wanted)
    assert lies(read({"coding": concept}), spans) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08", Token(None, "08")),
        ("|08", Token("", "08")),
        ("http://x|", Token("http://x", None)),
        ("http://x|08", Token("http://x", "08")),
        (r"a\|b", Token(None, "a|b")),
        (r"http://x\|y|a\,b\\", Token("http://x|y", "a,b\\")),
    ],
    ids=["any system", "no system", "any code", "both", "escaped bar", "escapes on both sides"],
)
def test_reads_the_four_forms_of_a_token(text: str, expected: Token) -> None:
    assert token.parse(text) == expected


@pytest.mark.parametrize("text", ["", "|", "a|b|c", "||"])
def test_refuses_what_is_no_token(text: str) -> None:
    with pytest.raises(Invalid):
        token.parse(text)


@pytest.mark.parametrize("text", ["", "a|b", "a||c", "a|b|c|d", "|b|c"])
def test_of_type_needs_three_parts(text: str) -> None:
    with pytest.raises(Invalid):
        token.parse_of_type(text)


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "gender": "female",
    "identifier": [
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            "system": "http://bv.vn/ma",
            "value": "BN-01",
        },
        {"system": "http://fhir.hl7.org.vn/core/sid/cccd", "value": "001085012345"},
        {"value": "loose"},
    ],
    "telecom": [{"system": "phone", "value": "+84 (912) 345-678"}, {"system": "email", "value": "An@Example.vn"}],
}
ROWS = [
    ("identifier", "bn-01", True),
    ("identifier", "http://bv.vn/ma|BN-01", True),
    ("identifier", "http://fhir.hl7.org.vn/core/sid/cccd|BN-01", False),
    ("identifier", "http://fhir.hl7.org.vn/core/sid/cccd|", True),
    ("identifier", "|loose", True),
    ("identifier", "|BN-01", False),
    ("identifier", "nothing,loose", True),
    ("identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|bn-01", True),
    ("identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|001085012345", False),
    ("identifier:not", "bn-01", False),
    ("identifier:not", "bn-02", True),
    ("gender", "female", True),
    ("gender", "Female", True),
    ("gender", "http://hl7.org/fhir/administrative-gender|female", True),
    ("gender", "http://hl7.org/fhir/administrative-gender|", True),
    ("gender", "http://loinc.org|female", False),
    ("gender", "http://loinc.org|", False),
    ("gender:not", "male", True),
    ("gender:not", "male,female", False),
    ("active", "true", True),
    ("active", "false", False),
    ("deceased", "false", True),
    ("phone", "84912345678", False),
    ("phone", "+84 912 345 678", True),
    ("email", "an@example.vn", True),
    ("email", "+84912345678", False),
    ("telecom", "+84912345678", True),
    ("language:missing", "true", True),
    ("language:missing", "false", False),
    ("gender:missing", "false", True),
    ("telecom:missing", "true", False),
]


@pytest.mark.parametrize(("name", "text", "expected"), ROWS, ids=[f"{name}={text}" for name, text, _ in ROWS])
def test_finds_a_patient(name: str, text: str, expected: bool) -> None:
    assert finds(PATIENT, (name, text)) is expected


@given(codes, systems, codes)
def test_of_type_finds_its_own_identifier(code: str, system: str, value: str) -> None:
    identifier = {"type": {"coding": [{"system": system, "code": code}]}, "value": value}
    read = token.reader("Identifier", CONTEXT)
    assert read is not None
    assert lies(read(identifier), token.match(OfType(system, code, value), CONTEXT, {}))
    assert not lies(read(identifier), token.match(OfType(system, code, value + "x"), CONTEXT, {}))
