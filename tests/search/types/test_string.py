"""The law of string search, and Vietnamese names.

https://hl7.org/fhir/R4/search.html#string
"""

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_server.search.types import string
from fhir_server.search.types.string import Text, fold
from fhir_server.search.values import Invalid
from tests.search.searching import CONTEXT, finds, lies

texts = st.text("aAáạĐđdD -|\\\t'.,1", min_size=1, max_size=12) | st.text(
    st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20
)


@given(texts)
@example("İ")
@example("ǰ")
@example("Đ́")
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(texts)
def test_folding_does_not_see_how_marks_are_encoded(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NGUYỄN  THỊ\u00a0Đào", "nguyen thi dao"),
        ("Hoà", "hoa"),
        ("hòa", "hoa"),
        ("O'Brien-Smith", "obriensmith"),
        ("  x\t\ny ", "x y"),
        ("Straße", "strasse"),
        ("Số 12/5, ngõ 3", "so 125 ngo 3"),
    ],
)
def test_folds(text: str, expected: str) -> None:
    assert fold(text) == expected


@given(texts, texts, st.sampled_from([None, "exact", "contains"]))
@example("a", "a\t", "exact")
@example("Đ", "d", None)
def test_an_indexed_string_is_found_exactly_when_described(value: str, wanted: str, modifier: Any) -> None:
    read = string.reader("string", "Patient.x", CONTEXT)
    assert read is not None
    if modifier != "exact" and not fold(wanted):
        return
    match modifier:
        case "exact":
            expected = unicodedata.normalize("NFC", value) == unicodedata.normalize("NFC", wanted)
        case "contains":
            expected = fold(wanted) in fold(value)
        case _:
            expected = fold(value).startswith(fold(wanted))
    assert lies(read(value), string.match(Text(wanted, modifier))) is expected


AN: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"text": "Nguyễn Minh An", "family": "Nguyễn", "given": ["Minh", "An"]}],
    "address": [{"text": "Số 12, ngõ 5, Phường Bến Thành", "city": "Thành phố Hồ Chí Minh", "line": ["Số 12, ngõ 5"]}],
}
WITHOUT_TEXT = {"resourceType": "Patient", "name": [{"family": "Tôn-Nữ", "given": ["Thị Đào"], "prefix": ["Bà"]}]}
ROWS = [
    (AN, "name", "Minh An", True),
    (AN, "name", "nguyen minh an", True),
    (AN, "name", "an", True),
    (AN, "name", "AN", True),
    (AN, "name", "minh  an", True),
    (AN, "name", "inh", False),
    (AN, "name", "nguyen an", False),
    (AN, "name:contains", "inh", True),
    (AN, "name:contains", "yễn mi", True),
    (AN, "name:exact", "An", True),
    (AN, "name:exact", "an", False),
    (AN, "name:exact", "Nguyễn Minh An", True),
    (AN, "name:exact", "Minh An", False),
    (AN, "family", "nguyen", True),
    (AN, "family", "minh", False),
    (AN, "family:exact", "Nguyen", False),
    (AN, "family:exact", unicodedata.normalize("NFD", "Nguyễn"), True),
    (AN, "given", "an", True),
    (AN, "given", "minh an", False),
    (AN, "phonetic", "nguyen", True),
    (AN, "address", "ben thanh", True),
    (AN, "address", "hồ chí minh", True),
    (AN, "address", "12", True),
    (AN, "address-city", "ho chi", True),
    (AN, "address-city", "ben thanh", False),
    (AN, "address-state:missing", "true", True),
    (WITHOUT_TEXT, "name", "ton nu thi dao", False),
    (WITHOUT_TEXT, "name", "ton-nu thi dao", True),
    (WITHOUT_TEXT, "name", "nu", True),
    (WITHOUT_TEXT, "name", "dao", True),
    (WITHOUT_TEXT, "given", "dao", True),
    (WITHOUT_TEXT, "name", "ba", True),
]


@pytest.mark.parametrize(
    ("patient", "name", "text", "expected"),
    ROWS,
    ids=[f"{row[1]}={row[2]}" for row in ROWS],
)
def test_finds_a_patient(patient: dict[str, Any], name: str, text: str, expected: bool) -> None:
    assert finds(patient, (name, text)) is expected


@pytest.mark.parametrize("modifier", [None, "contains"])
@pytest.mark.parametrize("text", ["", "-", " ,. ", "\u0301", "x" * 129])
def test_refuses_texts_that_hold_nothing_or_too_much(text: str, modifier: str | None) -> None:
    with pytest.raises(Invalid):
        string.parse(text, modifier)


def test_a_lot_number_is_found_without_its_punctuation() -> None:
    dose = {"resourceType": "Immunization", "lotNumber": "TCMR-2026/001"}
    assert finds(dose, ("lot-number", "TCMR2026001"))
    assert finds(dose, ("lot-number", "tcmr-2026"))
    assert not finds(dose, ("lot-number", "2026"))


def test_long_texts_have_short_entries() -> None:
    name = {"text": "ễ " * 5000}
    read = string.reader("HumanName", "Patient.name", CONTEXT)
    assert read is not None
    rests = list(read(name))
    assert len(rests) <= 20
    assert max(map(len, rests)) < 1000
