"""https://github.com/eu-digital-green-certificates/dgc-testdata — 581 certificates of 34 states

The flags of the schema (EXPECTEDSCHEMAVALIDATION, EXPECTEDVALIDOBJECT) are no part of this: a verifier reports what
the schema finds and rejects nothing for it.
"""

import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signing import qr
from signing.refusal import Refused
from signing.trust import TrustList, document_signer
from signing.verify import Verification, verify

VECTORS = Path(__file__).parents[2] / "../shared/certificates/dgc-testdata"
FILES = {str(path.relative_to(VECTORS)): path for path in sorted(VECTORS.glob("*/**/*.json"))}

pytestmark = pytest.mark.skipif(not FILES, reason=f"no test vectors in {VECTORS}")

STAGE = {
    "EXPECTEDUNPREFIX": "prefix",
    "EXPECTEDB45DECODE": "base45",
    "EXPECTEDCOMPRESSION": "inflate",
    "EXPECTEDVERIFY": "signature",
    "EXPECTEDEXPIRATIONCHECK": "claims",
    "EXPECTEDKEYUSAGE": "key-usage",
}

# Where this verifier disagrees with the vectors, and why. May only shrink: agreement fails the test as well.
DIFFERENCES = {
    # P-384 keys and signatures of 96 bytes under the name ES256, which is ECDSA with P-256 in HCERT 3.3.2.
    "ES/2DCode/raw/401.json": {"EXPECTEDVERIFY"},
    "ES/2DCode/raw/402.json": {"EXPECTEDVERIFY"},
    "ES/2DCode/raw/403.json": {"EXPECTEDVERIFY"},
    # A signer with usages foreign to health certificates only: refusing it would refuse every Vietnamese signer.
    "IS/2DCode/raw/3.json": {"EXPECTEDKEYUSAGE"},
    # The JSON beside these is not what the code holds.
    "FR/2DCode/raw/test_pcr_ok.json": {"EXPECTEDDECODE"},
    "PL/1.3.0/2DCode/raw/1.json": {"EXPECTEDDECODE"},
    "PL/1.3.0/2DCode/raw/5.json": {"EXPECTEDDECODE"},
    "PT/1.3.0/2DCode/raw/4.json": {"EXPECTEDDECODE"},  # "Z" there, "+00:00" here
}


@pytest.mark.parametrize("name", FILES)
def test_agrees_with_every_flag_of_the_vector(name: str) -> None:
    vector = json.loads(FILES[name].read_text("utf-8-sig"))
    expected = vector["EXPECTEDRESULTS"]
    found = _findings(vector)
    differences = {flag for flag in found.keys() & expected.keys() if found[flag] != expected[flag]}
    assert differences == DIFFERENCES.get(name, set())


def test_the_vectors_are_all_here() -> None:
    assert len(FILES) == 581


def _findings(vector: dict[str, Any]) -> dict[str, bool]:
    context = vector["TESTCTX"]
    certificate = b64decode(context["CERTIFICATE"])
    now = datetime.fromisoformat(context.get("VALIDATIONCLOCK") or "2021-06-01")
    now = now if now.tzinfo else now.replace(tzinfo=UTC)
    trust = TrustList([document_signer(certificate)])
    verification = verify(vector["PREFIX"], trust, now)
    found = {flag: _passes(verification, stage) for flag, stage in STAGE.items()}
    if "JSON" in vector:
        found["EXPECTEDDECODE"] = verification.content == vector["JSON"]
    if "2DCODE" in vector:
        found["EXPECTEDPICTUREDECODE"] = _reads(vector["2DCODE"], vector["PREFIX"])
    return found


def _passes(verification: Verification, stage: str) -> bool:
    return next(found.ok for found in verification.stages if found.stage == stage) is True


def _reads(picture: str, text: str) -> bool:
    try:
        return text in qr.read(b64decode(picture))
    except Refused:
        return False
