"""https://github.com/ehn-dcc-development/eu-dcc-schema"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from signing import schema, values
from tests.signing.conftest import PAYLOAD

CERTIFICATES = Path(__file__).parents[2] / "../shared/certificates"
SCHEMA = CERTIFICATES / "dcc-schema/1.3.3.json"
VECTORS = sorted((CERTIFICATES / "dgc-testdata").glob("*/**/*.json"))

needs_schema = pytest.mark.skipif(not SCHEMA.exists(), reason=f"no schema in {SCHEMA}")


def official() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")), format_checker=FormatChecker())


def without(payload: dict[str, Any], *path: str | int) -> dict[str, Any]:
    copy = deepcopy(payload)
    at: Any = copy
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return copy


def altered(payload: dict[str, Any], value: Any, *path: str | int) -> dict[str, Any]:
    copy = deepcopy(payload)
    at: Any = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return copy


def test_a_good_payload_has_no_problems() -> None:
    assert schema.problems(PAYLOAD) == ()


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (None, "the certificate: a map belongs here"),
        ([], "the certificate: a map belongs here"),
        (without(PAYLOAD, "nam"), "nam: is missing"),
        (without(PAYLOAD, "v"), "there must be exactly one of v, t and r, not 0"),
        (altered(PAYLOAD, PAYLOAD["v"], "r"), "there must be exactly one of v, t and r, not 2"),
        (altered(PAYLOAD, {"fn": "A"}, "nam"), "nam: neither fnt nor gnt is there"),
        (altered(PAYLOAD, "Nguyễn", "nam", "fnt"), "nam.fnt: does not match ^[A-Z<]*$"),
        (altered(PAYLOAD, "A" * 81, "nam", "fn"), "nam.fn: is longer than 80 characters"),
        (altered(PAYLOAD, PAYLOAD["v"] * 2, "v"), "v: there must be a list of exactly one entry"),
        (altered(PAYLOAD, PAYLOAD["v"][0], "v"), "v: there must be a list of exactly one entry"),
        (without(PAYLOAD, "v", 0, "ci"), "v[0].ci: is missing"),
        (altered(PAYLOAD, 5, "v", 0, "tg"), "v[0].tg: a text belongs here"),
        (altered(PAYLOAD, 0, "v", 0, "dn"), "v[0].dn: is less than 1"),
        (altered(PAYLOAD, "1", "v", 0, "dn"), "v[0].dn: an integer belongs here"),
        (altered(PAYLOAD, True, "v", 0, "dn"), "v[0].dn: an integer belongs here"),
        (altered(PAYLOAD, 1.5, "v", 0, "sd"), "v[0].sd: an integer belongs here"),
        (altered(PAYLOAD, "2021-02-30", "v", 0, "dt"), "v[0].dt: is not a date (YYYY-MM-DD)"),
        (altered(PAYLOAD, "20210228", "v", 0, "dt"), "v[0].dt: is not a date (YYYY-MM-DD)"),
        (altered(PAYLOAD, "2021-02-18T00:00:00", "v", 0, "dt"), "v[0].dt: is not a date (YYYY-MM-DD)"),
        (altered(PAYLOAD, "1815-01-01", "dob"), "dob: does not match ^((19|20)\\d\\d(-\\d\\d){0,2}){0,1}$"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_what_is_wrong(payload: Any, problem: str) -> None:
    assert problem in schema.problems(payload)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2021-06-30T12:34:56Z", True),
        ("2021-06-30t12:34:56.789+07:00", True),
        ("2021-06-30T12:34:56", False),
        ("2021-06-30 12:34:56Z", False),
        ("2021-06-30T25:00:00Z", False),
        (5, False),
    ],
)
def test_the_time_of_a_test_has_a_zone(value: Any, expected: bool) -> None:
    entry = {"tg": "", "tt": "", "sc": value, "tr": "", "co": "VN", "is": "", "ci": ""}
    payload = without(PAYLOAD, "v") | {"t": [entry]}
    assert (schema.problems(payload) == ()) is expected


@needs_schema
def test_agrees_with_the_official_schema_on_all_test_certificates() -> None:
    check = official()
    contents = [json.loads(path.read_text("utf-8-sig")).get("JSON") for path in VECTORS]
    contents = [content for content in contents if content]
    assert len(contents) > 500
    for content in contents:
        assert (schema.problems(content) == ()) is check.is_valid(content), content


fields = st.sampled_from([("ver",), ("dob",), ("nam",), ("v",), *(("nam", name) for name in PAYLOAD["nam"])]) | (
    st.sampled_from([("v", 0, name) for name in PAYLOAD["v"][0]])
)
strange: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text(max_size=12) | st.just([])
)
likely = st.sampled_from(["A" * 80, "A" * 81, "a", "", "2021-02-29", "2020-02-29", "1900", "1899-01", "VN", [{}], 1.0])


@needs_schema
@given(fields, strange | likely)
def test_agrees_with_the_official_schema_on_any_alteration(path: tuple[str | int, ...], value: Any) -> None:
    content = altered(PAYLOAD, value, *path)
    assert (schema.problems(content) == ()) is official().is_valid(content)


@pytest.mark.parametrize(
    ("field", "code", "display", "active"),
    [
        ("tg", "840539006", "COVID-19", True),
        ("vp", "1119349007", "SARS-CoV-2 mRNA vaccine", True),
        ("vp", "J07BX03", "covid-19 vaccines (deprecated)", False),
        ("mp", "EU/1/20/1528", "Comirnaty", True),
        ("mp", "NVX-CoV2373", "NVX-CoV2373 (deprecated)", False),
        ("ma", "ORG-100030215", "Biontech Manufacturing GmbH", True),
        ("mp", "unknown", None, False),
    ],
)
def test_value_sets_say_what_a_code_means_and_whether_it_is_still_issued(
    field: values.Field, code: str, display: str | None, active: bool
) -> None:
    assert (values.display(field, code), values.active(field, code)) == (display, active)


def test_a_product_is_encoded_with_its_holder_and_one_of_its_kinds() -> None:
    assert values.product("Abdala") == ("CIGB", ("28531000087107",))
    assert values.product("unknown") is None


@pytest.mark.skipif(not (CERTIFICATES / "valuesets").exists(), reason=f"no value sets in {CERTIFICATES}")
@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("tg", "disease-agent-targeted"),
        ("vp", "vaccine-prophylaxis"),
        ("mp", "vaccine-medicinal-product"),
        ("ma", "vaccine-mah-manf"),
    ],
)
def test_the_table_holds_every_code_of_the_published_value_set(field: values.Field, name: str) -> None:
    published = json.loads((CERTIFICATES / f"valuesets/{name}.json").read_text("utf-8"))["valueSetValues"]
    assert published
    for code, row in published.items():
        assert (values.display(field, code), values.active(field, code)) == (row["display"], row["active"])
