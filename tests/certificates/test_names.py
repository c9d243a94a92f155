"""https://www.icao.int/publications/doc-series/doc-9303 — part 3, section 6"""

import re
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.certificates import names as module
from fhir_server.certificates.names import Name, choose, transliterate


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Nguyễn", "NGUYEN"),
        ("Bảo Duy", "BAO<DUY"),
        ("Đặng Thị Ngọc Ánh", "DANG<THI<NGOC<ANH"),
        ("đỗ", "DO"),
        ("Ðinh", "DINH"),
        ("Ưng Hoàng Phước", "UNG<HOANG<PHUOC"),
        ("Lý Thường Kiệt", "LY<THUONG<KIET"),
        ("H'Hen Niê", "HHEN<NIE"),
        ("K’Brơi", "KBROI"),
        ("Y-Blô Êban", "Y<BLO<EBAN"),
        ("Y  -  Blô", "Y<BLO"),
        ("Thạch Sa Ra Mô Ni", "THACH<SA<RA<MO<NI"),
        ("Nguyễn (Tèo)", "NGUYEN<TEO"),
        ("d'Červenková Panklová", "DCERVENKOVA<PANKLOVA"),
        ("Jiřina-Maria Alena", "JIRINA<MARIA<ALENA"),
        ("Sørensen", "SOERENSEN"),
        ("Weiß", "WEISS"),
        ("Ｎｇｕｙｅｎ", "NGUYEN"),
        ("A" * 79 + " B", "A" * 79),
        ("李", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_writes_a_name_in_the_letters_of_a_passport(written: str, expected: str) -> None:
    assert transliterate(written) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_composed_and_decomposed_spellings_are_one_name(form: Any) -> None:
    assert transliterate(normalize(form, "Đặng Thị Ngọc Ánh")) == "DANG<THI<NGOC<ANH"


@given(st.text(max_size=120))
def test_any_text_becomes_what_the_schema_allows(text: str) -> None:
    assert re.fullmatch(r"([A-Z]+(<[A-Z]+)*)?", transliterate(text))
    assert len(transliterate(text)) <= 80


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([{"text": "Nguyễn Văn An"}], ("Nguyễn", "Văn An", "NGUYEN", "VAN<AN")),
        ([{"text": "  Nguyễn   Văn\tAn "}], ("Nguyễn", "Văn An", "NGUYEN", "VAN<AN")),
        ([{"family": "Trần", "given": ["Thị", "Bích"]}], ("Trần", "Thị Bích", "TRAN", "THI<BICH")),
        ([{"family": "Thào", "text": "Thào A Sùng"}], ("Thào", "A Sùng", "THAO", "A<SUNG")),
        ([{"given": ["Hà An"], "text": "Lê Hà An"}], ("Lê", "Hà An", "LE", "HA<AN")),
        ([{"family": "Tôn Nữ", "text": "Tôn Nữ Hỷ Khương"}], ("Tôn Nữ", "Hỷ Khương", "TON<NU", "HY<KHUONG")),
        ([{"text": "Vừ"}], ("Vừ", "", "VU", "")),
        ([{"given": ["Vừ"]}], ("Vừ", "", "VU", "")),
        ([{"use": "usual", "text": "Bé Na"}, {"use": "official", "text": "Lê Na"}], ("Lê", "Na", "LE", "NA")),
        ([{"use": "old", "text": "Lê Na"}, {"text": "Lý Na"}], ("Lý", "Na", "LY", "NA")),
        ([{"use": "official", "text": "李娜"}, {"use": "usual", "text": "Li Na"}], ("Li", "Na", "LI", "NA")),
        ([{"family": normalize("NFD", "Đỗ"), "given": ["An"]}], ("Đỗ", "An", "DO", "AN")),
        ([{"family": "B" * 81, "given": ["A" * 90]}], ("B" * 80, "A" * 80, "B" * 80, "A" * 80)),
    ],
    ids=[
        "text only",
        "text with spaces",
        "parts",
        "family and text",
        "given names and text",
        "family of two words",
        "one word",
        "one given name",
        "official first",
        "old never",
        "Latin letters first",
        "decomposed",
        "long",
    ],
)
def test_chooses_and_splits_the_name(names: list[dict[str, Any]], expected: tuple[str, ...]) -> None:
    assert choose(names) == Name(*expected)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [{}],
        [{"text": " "}],
        [{"use": "old", "text": "Lê Na"}],
        [{"use": "maiden", "text": "Lê Na"}],
        [{"text": "李娜"}],
        [{"_text": {"extension": []}}],
    ],
    ids=["none", "empty", "blank", "old", "maiden", "no Latin letters", "absent"],
)
def test_without_a_name_to_certify_there_is_none(names: list[dict[str, Any]]) -> None:
    assert choose(names) is None


@given(st.text(max_size=40) | st.text(alphabet="ÁáĐđÅåẞßŒæ Ơ\u0301\u030a\u031b\u1ee3-'", max_size=40))
def test_letter_by_letter_a_name_becomes_what_it_becomes_as_a_whole(text: str) -> None:
    whole = normalize("NFD", normalize("NFKC", text).upper().translate(module._LETTERS))
    expected = re.sub("<+", "<", re.sub("[^A-Z<]", "", whole)).strip("<")[:80].rstrip("<")
    assert transliterate(text) == expected


@pytest.mark.parametrize("unseen", ["\u202e", "\u200b", "\u200f", "\ufeff", "\u00ad", "\x07"], ids=ascii)
def test_marks_that_nobody_sees_are_not_certified(unseen: str) -> None:
    written = [{"family": f"Ngu{unseen}yễn", "given": [f"{unseen}An"]}]
    assert choose(written) == Name("Nguyễn", "An", "NGUYEN", "AN")
