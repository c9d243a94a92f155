"""https://www.rfc-editor.org/rfc/rfc5280#section-6.1: what is remembered of a certificate never decides about a day"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signing import chains, detached
from signing.chains import Authorities
from signing.refusal import Refused
from tests.http.facilities import authority

NOW = datetime.now(UTC)
ROOT, STRANGER = authority(), authority("Nobody's CA")
SUB = ROOT.below("Sub CA")
TRUSTED, OTHERS = Authorities([ROOT.certificate]), Authorities([STRANGER.certificate])
SIGNER = SUB.signer("MCSKCB:01001", start=NOW - timedelta(days=10), days=20)


@pytest.mark.parametrize(
    ("days", "trusted", "code"),
    [
        (0, TRUSTED, None),
        (15, TRUSTED, "chain-expired"),
        (-15, TRUSTED, "chain-expired"),
        (0, OTHERS, "chain-untrusted"),
        (0, Authorities(), "chain-untrusted"),
        (9, TRUSTED, None),
    ],
    ids=["in its time", "after it", "before it", "other authorities", "no authorities", "on its last day"],
)
def test_a_chain_is_judged_anew_for_each_day_and_each_list(days: int, trusted: Authorities, code: str | None) -> None:
    chain = chains.read([chains.der(each) for each in SIGNER.chain])
    try:
        chains.require_trusted(chain, trusted, NOW + timedelta(days=days))
        found = None
    except Refused as refusal:
        found = refusal.code
    assert found == code


def test_the_same_header_over_another_content_or_with_another_signature_is_refused() -> None:
    jws = SIGNER.sign(b"a dose")
    assert detached.verify(detached.parse(jws), b"a dose") == list(SIGNER.chain)
    header, _, signature = jws.split(".")
    other = SIGNER.sign(b"another dose").split(".")[2]
    for text, content in (
        (jws, b"another dose"),
        (f"{header}..{other}", b"a dose"),
        (f"{header}..{signature[4:]}", b""),
    ):
        with pytest.raises(Refused, match="does not cover"):
            detached.verify(detached.parse(text), content)


def test_a_certificate_of_another_signer_does_not_stand_in_for_the_chain() -> None:
    stranger = STRANGER.signer("MCSKCB:01001")
    with pytest.raises(Refused) as refused:
        chains.require_trusted([stranger.chain[0], *SIGNER.chain[1:]], TRUSTED, NOW)
    assert refused.value.code == "chain-broken"


def test_authorities_are_read_in_the_forms_that_they_are_given_out_in(tmp_path: Path) -> None:
    (tmp_path / "a.cer").write_bytes(chains.der(ROOT.certificate))
    (tmp_path / "b.pem").write_bytes(b"a note\n" + STRANGER.pem + SUB.pem)
    (tmp_path / "notes.txt").write_text("where they come from")
    assert len(chains.load(tmp_path)) == 3
    assert len(chains.load(tmp_path / "a.cer")) == 1
    (tmp_path / "c.crt").write_bytes(b"0nothing")
    with pytest.raises(Refused, match=r"c\.crt"):
        chains.load(tmp_path)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below zero
@pytest.mark.parametrize("which", range(2), ids=["signer", "authority between"])
def test_a_chain_with_a_damaged_certificate_is_refused_and_breaks_nothing(which: int) -> None:
    whole = [chains.der(each) for each in SIGNER.chain]
    signed = SIGNER.chain[which].tbs_certificate_bytes
    for place in range(len(whole[which])):
        for mask in (0x01, 0x08, 0x80, 0xFF):
            damaged = bytearray(whole[which])
            damaged[place] ^= mask
            assert _tbs([bytes(damaged) if each == which else der for each, der in enumerate(whole)], which) in (
                None,
                signed,  # how many bits of the signature count may be told in two ways
            )


def _tbs(ders: list[bytes], which: int) -> bytes | None:
    """Return what was signed of the one certificate when the chain is trusted; None when it is refused."""
    try:
        chain = chains.read(ders)
        chains.public_key(chain[0])
        chains.identifiers(chain[0])
        chains.require_trusted(chain, TRUSTED, NOW)
    except Refused:
        return None
    return chain[which].tbs_certificate_bytes
