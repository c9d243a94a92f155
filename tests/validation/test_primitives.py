"""Primitive values: what passes at a glance also passes when it is looked at closely.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import primitives

CORE = Definitions(core_facts())
TYPES = (
    "string",
    "markdown",
    "uri",
    "url",
    "canonical",
    "id",
    "code",
    "oid",
    "uuid",
    "date",
    "dateTime",
    "instant",
    "time",
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789-:+.TZ", max_size=26),
    st.from_regex(primitives.USUAL_TIMES["dateTime"]),
    st.from_regex(
        r"[12][0-9]{3}-[0-3][0-9]-[0-4][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]+)?(Z|[+-][01][0-9]:[0-5][0-9]))?"
    ),
    st.from_regex(r"urn:(uuid:[0-9A-Fa-f-]{30,40}|oid:[0-9.]+)|https?://\w+( |\n)?"),
)


def of_type(name: str) -> primitives.Primitive:
    definition = CORE.type(name)
    assert definition is not None
    return primitives.compile(name, definition.pattern)


@given(TEXTS)
def test_what_passes_at_a_glance_has_no_fault(text: str) -> None:
    for name in TYPES:
        fault, usual = of_type(name)
        if 0 < len(text) <= primitives.SHORT and usual(text):
            assert fault(text) is None, name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("string", "Nguyễn Văn An"),
        ("uri", "http://fhir.hl7.org.vn/core/sid/cccd"),
        ("id", "p-000004"),
        ("date", "2015-02-02"),
        ("dateTime", "2026-03-20T08:00:00+07:00"),
        ("dateTime", "2026-03-20"),
        ("instant", "2026-03-20T08:00:00.123Z"),
        ("code", "final"),
    ],
)
def test_the_usual_ones_pass_at_a_glance(name: str, text: str) -> None:
    assert of_type(name).usual(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2026-03-20T08:00:00+07:00"),
        ("instant", "2026-03-20"),
        ("dateTime", "2026-02-30"),
        ("uri", "urn:uuid:1"),
        ("uri", "http://a b"),
        ("string", "\x00"),
    ],
)
def test_others_do_not(name: str, text: str) -> None:
    assert not of_type(name).usual(text)
