"""https://github.com/eu-digital-green-certificates/dgc-gateway — RevocationBatchDto, three types of hashes"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import base45, cbor, cose, cwt, hc1, revocation
from signing.algorithms import ES256
from signing.deflate import inflate
from signing.keys import SigningKey
from signing.refusal import Refused
from signing.revocation import MAGIC, Revoked
from signing.trust import TrustList
from signing.verify import verify
from tests.signing.conftest import NOW, PAYLOAD

SAMPLES = Path(__file__).parents[2] / "../shared/certificates/dcc-revocation/RevocationCalculationSampleData.json"
TYPES = ("UCI", "COUNTRYCODEUCI", "SIGNATURE")


def hashes_of(text: str) -> dict[str, bytes]:
    message = cose.parse(inflate(base45.decode(hc1.unprefix(text))))
    claims = cwt.parse(message.payload)
    payload = cbor.plain(claims.hcert[cwt.DCC])
    [entry] = next(payload[group] for group in "vtr" if group in payload)
    halved = message.algorithm == ES256
    return dict(revocation.hashes(claims.issuer, [entry["ci"]], message.signature, halved=halved))


@pytest.mark.skipif(not SAMPLES.exists(), reason=f"no {SAMPLES}")
def test_the_published_samples_have_the_published_hashes() -> None:
    samples = json.loads(SAMPLES.read_text("utf-8"))
    assert len(samples) == 3
    for sample in samples:
        found = hashes_of(sample["barcodeData"])
        assert {name: found[name].hex() for name in TYPES} == {name: sample[f"exp{name}"] for name in TYPES}


@pytest.mark.parametrize("name", ["es256", "ps256"])
@pytest.mark.parametrize("by", TYPES)
def test_a_certificate_is_refused_by_each_of_its_hashes(
    name: str, by: str, trust: TrustList, request: pytest.FixtureRequest
) -> None:
    key: SigningKey = request.getfixturevalue(name)
    text = hc1.issue(PAYLOAD, key, NOW).text
    assert verify(text, trust, NOW, revoked=Revoked()).valid
    found = verify(text, trust, NOW, revoked=Revoked([hashes_of(text)[by]]))
    assert found.failure is not None
    assert (found.valid, found.trusted, found.failure.stage, found.failure.code) == (
        False,
        True,
        "revocation",
        "revoked",
    )
    assert by in found.failure.detail


def test_another_signature_of_the_same_key_is_not_revoked_with_the_first(es256: SigningKey, trust: TrustList) -> None:
    one, other = (hc1.issue(PAYLOAD, es256, NOW).text for _ in range(2))
    revoked = Revoked([hashes_of(one)["SIGNATURE"]])
    assert not verify(one, trust, NOW, revoked=revoked).valid
    assert verify(other, trust, NOW, revoked=revoked).valid


def batch(*hashes: bytes, **members: Any) -> dict[str, Any]:
    entries = [{"hash": b64encode(hash).decode()} for hash in hashes]
    return {
        "country": "VN",
        "expires": "2027-01-01T00:00:00Z",
        "kid": "UNKNOWN_KID",
        "hashType": "UCI",
        "entries": entries,
    } | members


ONE, TWO, THREE = bytes(16), b"\xff" * 16, b"0123456789abcdef"
LISTS: dict[str, bytes] = {
    "a batch": json.dumps(batch(ONE, TWO)).encode(),
    "batches": json.dumps([batch(ONE), batch(TWO)]).encode(),
    "named batches": json.dumps({"batches": [batch(ONE), batch(TWO)]}).encode(),
    "sorted hashes": Revoked([TWO, ONE]).to_bytes(),
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_are_read_in_every_form(form: str, tmp_path: Path) -> None:
    read = revocation.parse(LISTS[form])
    assert (ONE in read, TWO in read, THREE in read, len(read)) == (True, True, False, 2)
    (tmp_path / "list.json").write_bytes(LISTS[form])
    assert ONE in revocation.load(tmp_path)
    assert ONE in revocation.load(tmp_path / "list.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        MAGIC,
        MAGIC + b"\0\0\0\2" + bytes(16),
        MAGIC + b"\0\0\0\1" + bytes(9),
        json.dumps(batch(b"short")).encode(),
        json.dumps(batch(ONE, hashType="LOT")).encode(),
        json.dumps({"entries": [{"hash": "*"}]}).encode(),
        json.dumps({"entries": [5]}).encode(),
        json.dumps({"kid": "a", "method": "other", "rids": []}).encode(),
    ],
    ids=[
        "nothing",
        "empty",
        "numbers",
        "deep",
        "magic",
        "twice",
        "too long",
        "short",
        "type",
        "no Base64",
        "5",
        "method",
    ],
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match="not-a-revocation-list"):
        revocation.parse(content)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=60), st.binary(min_size=16, max_size=16))
def test_exactly_what_was_listed_is_found_and_written_back(hashes: list[bytes], other: bytes) -> None:
    revoked = Revoked(hashes)
    read = Revoked.from_bytes(revoked.to_bytes())
    assert all(hash in read for hash in hashes)
    assert (other in read) is (other[:8] in {hash[:8] for hash in hashes})
    assert read.to_bytes() == revoked.to_bytes()
    assert (revoked | Revoked([other])).to_bytes() == Revoked([*hashes, other]).to_bytes()


def test_of_two_lists_of_one_key_the_newer_counts() -> None:
    old = Revoked((), {"k": revocation.card_list(["a", "b"], 1)})
    new = Revoked((), {"k": revocation.card_list(["a"], 2)})
    for merged in (old | new, new | old):
        assert (merged.card("k", "a", NOW), merged.card("k", "b", NOW)) == (True, False)
    assert new.card("other", "a", NOW) is None


def test_entries_that_no_card_can_have_revoke_none_and_the_later_time_counts() -> None:
    cards = revocation.card_list(["a" * 25, "ế", 5, None, "x.1", f"x.{int(NOW.timestamp()) + 1}", "x.2"])
    assert len(cards.keys) == 1
    assert Revoked((), {"k": cards}).card("k", "x", NOW)
