"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

import signing
from fhir_server.certificates.report import VIETNAMESE, report
from signing import development, hc1
from signing.trust import TrustList
from signing.verification import CODES, GENERAL, PASSING, UNDECIDED
from signing.verify import STAGES, verify

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
PAYLOAD: dict[str, Any] = {"ver": "1.3.0", "nam": {"fn": "Đỗ", "fnt": "DO"}, "dob": "1990", "v": [{"dn": 1}]}


@pytest.fixture(scope="module")
def issued() -> tuple[str, TrustList]:
    key = development.signer(development.authority(NOW), NOW)
    return hc1.issue(PAYLOAD, key, NOW).text, TrustList([key.signer])


def test_a_good_certificate_is_reported_whole(issued: tuple[str, TrustList]) -> None:
    text, trust = issued
    found = orjson.loads(orjson.dumps(report(verify(text, trust, NOW))))
    assert (found["valid"], found["readable"], found["trusted"]) == (True, True, True)
    assert [stage["stage"] for stage in found["stages"]] == list(STAGES)
    assert (found["issued"], found["expires"]) == ("2026-11-22T08:30:00+00:00", "2027-11-22T08:30:00+00:00")
    assert (found["issuer"], found["algorithm"], found["signer"]["country"]) == ("VN", "ES256", "VN")
    assert found["content"] == PAYLOAD
    assert found["summary"][0] == {"key": "name", "vi": "Họ và tên", "en": "Full name", "value": "Đỗ", "code": None}


def test_what_was_not_checked_is_neither_passed_nor_failed(issued: tuple[str, TrustList]) -> None:
    stages = {stage["stage"]: stage for stage in report(verify(*issued, NOW))["stages"]}
    assert {name for name, stage in stages.items() if stage["ok"] is None} == {"revocation", "rules"}


@pytest.mark.parametrize(
    ("alter", "days", "code", "readable"),
    [
        (lambda text: text, 400, "expired", True),
        (lambda text: text[:40], 0, "zlib-truncated", False),
        (lambda text: "nothing", 0, "prefix-missing", False),
    ],
    ids=["expired", "cut short", "no certificate"],
)
def test_a_failure_is_said_in_both_languages(
    alter: Any, days: int, code: str, readable: bool, issued: tuple[str, TrustList]
) -> None:
    found = report(verify(alter(issued[0]), issued[1], NOW + timedelta(days=days)))
    failed = next(stage for stage in found["stages"] if stage["ok"] is False)
    assert (found["valid"], found["readable"], failed["code"]) == (False, readable, code)
    assert failed["en"] != failed["vi"]
    assert orjson.dumps(found)


def test_every_code_of_a_stage_has_a_vietnamese_text() -> None:
    assert {*GENERAL, *(code for codes in CODES.values() for code in codes)} == VIETNAMESE.keys()


def test_every_code_that_is_raised_while_reading_is_documented() -> None:
    names = ("base45", "deflate", "cbor", "cose", "cwt", "hc1", "jws", "jwk", "jcs", "shc", "vdsnc", "der")
    source = "".join(
        file.read_text("utf-8") for file in Path(signing.__file__).parent.glob("*.py") if file.stem in names
    )
    used = set(re.findall(r'Refused\("([a-z0-9-]+)"', source))
    assert used - {"signer-not-valid", "key-type", "rid"} <= VIETNAMESE.keys()  # those are of issuing


def test_every_code_that_a_stage_is_given_is_documented() -> None:
    for file in Path(signing.__file__).parent.glob("*.py"):
        for stage, ok, code in re.findall(
            r'Stage\("([a-z0-9-]+)", (True|False|None), "([a-z0-9-]+)"', file.read_text("utf-8")
        ):
            assert code in (*CODES[stage], *GENERAL), file.name
            assert ok == ("True" if code in PASSING else "None" if code in UNDECIDED else "False"), code
