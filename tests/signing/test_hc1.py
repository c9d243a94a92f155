"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md"""

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import base45, cose, cwt, hc1, verification
from signing.algorithms import ES256, PS256
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.verification import Stage
from tests.signing.conftest import NOW, PAYLOAD, certified, p256


@pytest.mark.parametrize(("name", "algorithm", "size"), [("es256", ES256, 64), ("ps256", PS256, 256)])
def test_each_layer_is_what_the_specification_says(
    name: str, algorithm: int, size: int, request: pytest.FixtureRequest
) -> None:
    key: SigningKey = request.getfixturevalue(name)
    issued = hc1.issue(PAYLOAD, key, NOW)
    assert issued.text.startswith("HC1:")
    compressed = base45.decode(issued.text[4:])
    assert compressed[0] == 0x78  # readers look at this byte to see that the content is compressed
    message = cbor2.loads(zlib.decompress(compressed))
    assert message.tag == 18
    protected, unprotected, payload, signature = message.value
    assert cbor2.loads(protected) == {1: algorithm, 4: key.kid}
    assert unprotected == {}
    assert len(signature) == size
    assert cbor2.loads(payload) == {
        1: "VN",
        4: int(issued.expires.timestamp()),
        6: int(NOW.timestamp()),
        -260: {1: PAYLOAD},
    }


@given(st.text(alphabet=base45.ALPHABET, min_size=1))
def test_a_certificate_has_only_characters_of_the_alphanumeric_mode(text: str) -> None:
    assert hc1.unprefix(hc1.PREFIX + text) == text
    assert set(hc1.PREFIX) <= set(base45.ALPHABET)


def test_the_text_has_only_characters_of_the_alphanumeric_mode(certificate: str) -> None:
    assert set(certificate) <= set(base45.ALPHABET)


@pytest.mark.parametrize(
    ("issued", "expires"),
    [
        ("2026-11-22T08:30:00+00:00", "2027-11-22T08:30:00+00:00"),
        ("2028-02-29T00:00:00+00:00", "2029-02-28T00:00:00+00:00"),
        ("2027-12-31T23:59:59+00:00", "2028-12-31T23:59:59+00:00"),
        ("2027-02-28T12:00:00+00:00", "2028-02-28T12:00:00+00:00"),
    ],
    ids=["any day", "leap day", "last second of the year", "before a leap year"],
)
def test_a_certificate_lasts_twelve_calendar_months(issued: str, expires: str) -> None:
    start = datetime.fromisoformat(issued)
    key = certified(p256(), not_before=start, not_after=start + timedelta(days=4000))
    assert hc1.expiry(start, key) == datetime.fromisoformat(expires)


@given(st.integers(0, 20 * 366), st.integers(0, 900))
def test_no_certificate_outlives_its_signer_or_its_year(later: int, days: int) -> None:
    issued = NOW + timedelta(days=later)
    end = issued + timedelta(days=days)
    signer = replace(_KEY.signer, not_before=issued, not_after=end)
    expires = hc1.expiry(issued, replace(_KEY, signer=signer))
    assert expires <= end
    assert timedelta(0) <= expires - issued <= timedelta(days=366)


@pytest.mark.parametrize("days", [-1, 701], ids=["before", "after"])
def test_outside_of_the_signers_validity_nothing_is_signed(days: int) -> None:
    key = certified(p256(), not_before=NOW, not_after=NOW + timedelta(days=700))
    with pytest.raises(Refused, match="signer-not-valid"):
        hc1.issue(PAYLOAD, key, NOW + timedelta(days=days))


def test_the_hour_of_issue_does_not_depend_on_the_time_zone(es256: SigningKey) -> None:
    issued = hc1.issue(PAYLOAD, es256, NOW.astimezone(timezone(timedelta(hours=7))))
    assert (issued.issued, issued.expires) == (NOW, NOW.replace(year=2027))


def test_fractions_of_a_second_are_dropped(es256: SigningKey) -> None:
    issued = hc1.issue(PAYLOAD, es256, NOW.replace(microsecond=999_999))
    claims = cwt.parse(cose.parse(zlib.decompress(base45.decode(hc1.unprefix(issued.text)))).payload)
    assert (issued.issued, claims.issued) == (NOW, int(NOW.timestamp()))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "prefix-missing"),
        ("NCFOXN", "prefix-missing"),
        ("HC2:NCFOXN", "prefix-missing"),
        (" HC1:NCFOXN", "prefix-missing"),
        ("hc1:NCFOXN", "prefix-lower-case"),
        ("Hc1:NCFOXN", "prefix-lower-case"),
    ],
    ids=["nothing", "none", "another version", "a space first", "small letters", "mixed letters"],
)
def test_what_does_not_begin_with_the_prefix_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        hc1.unprefix(text)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (None, "claims-missing"),
        ("1", "claims-missing"),
        (True, "claims-missing"),
        (float("nan"), "claims-not-a-time"),
        (float("inf"), "claims-not-a-time"),
        (2**63, "claims-not-a-time"),
        (-(2**63), "claims-not-a-time"),
    ],
    ids=["none", "text", "true", "NaN", "infinite", "far future", "far past"],
)
def test_a_claim_that_is_no_time_is_refused(claim: Any, code: str) -> None:
    stage = verification.time(claim)
    assert isinstance(stage, Stage)
    assert (stage.stage, stage.ok, stage.code) == ("claims", False, code)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (1620074656, datetime(2021, 5, 3, 20, 44, 16, tzinfo=UTC)),
        (1620074656.5, datetime(2021, 5, 3, 20, 44, 16, 500_000, tzinfo=UTC)),
        (-62135596800, datetime(1, 1, 1, tzinfo=UTC)),
    ],
    ids=["integer", "fraction", "the year 1"],
)
def test_a_claim_may_be_any_finite_number(claim: float, expected: datetime) -> None:
    assert verification.time(claim) == expected


_KEY = certified(p256())
