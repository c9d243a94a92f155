"""Verifiers written by others accept what is issued here, offline: greenpass, healthcards, @pathcheck/shc-sdk.

greenpass and healthcards on the Python Package Index; https://github.com/Path-Check
"""

import json
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from signing import base45, hc1, jwk, shc
from signing.keys import SigningKey
from tests.signing.conftest import NOW, PAYLOAD
from tests.signing.test_shc import BUNDLE, ISSUER
from tests.signing.test_verify import seal

OTHERS = Path(__file__).parents[2] / ".venv/others"
PYTHON, MODULES = OTHERS / "bin/python", OTHERS / "node_modules"
python = pytest.mark.skipif(not PYTHON.exists(), reason="run scripts/others to install the verifiers of others")
node = pytest.mark.skipif(
    not MODULES.exists() or shutil.which("node") is None, reason="run scripts/others (with node) to install them"
)

GREENPASS = """
import json, sys
from cose.keys import EC2Key, RSAKey
from greenpass.logic import GreenPassParser
given = json.load(sys.stdin)
numbers = {name: bytes.fromhex(value) for name, value in given["key"].items()}
found = GreenPassParser(given["text"].encode())
found.set_key(EC2Key(crv="P_256", **numbers) if "x" in numbers else RSAKey(**numbers))
print(json.dumps([bool(found.verify()), found.payload[-260][1], found.kid.hex()]))
"""
HEALTHCARDS = """
import io, json, sys, urllib.request
given = json.load(sys.stdin)
def answer(address):
    assert address == given["address"], address
    return io.BytesIO(json.dumps({"keys": [given["key"]]}).encode())
urllib.request.urlopen = answer
from healthcards import parser
try:
    found = parser.JWS(parser.decode_qr_to_jws(given["text"]))
    print(json.dumps([found.verified, found.payload]))
except Exception:
    print(json.dumps([False, None]))
"""
SHC_SDK = """
const {text, address, key} = JSON.parse(require('fs').readFileSync(0));
const answer = async (url) => {
  if (url !== address) throw new Error('offline');
  return {ok: true, json: async () => ({keys: [key]}), text: async () => JSON.stringify({keys: [key]})};
};
const fetching = require.resolve('cross-fetch');
answer.default = answer;
require.cache[fetching] = {id: fetching, filename: fetching, loaded: true, exports: answer};
const sdk = require('@pathcheck/shc-sdk');
const say = console.log;
console.log = console.warn = () => {};
sdk.unpackAndVerify(text).then((found) => say(JSON.stringify([found !== undefined, found?.credential])));
"""


def asked(program: list[str | Path], given: dict[str, Any]) -> Any:
    """Return what another's verifier says about `given`, as JSON."""
    answer = subprocess.run(program, input=json.dumps(given).encode(), capture_output=True, cwd=OTHERS, timeout=60)
    assert answer.returncode == 0, answer.stderr.decode()[-2000:]
    return json.loads(answer.stdout.decode().splitlines()[-1])


def altered(text: str) -> str:
    """Return a certificate whose signature ends otherwise, packed as neatly as before."""
    content = bytearray(zlib.decompress(base45.decode(hc1.unprefix(text))))
    content[-1] ^= 1
    return seal(bytes(content))


@python
@pytest.mark.parametrize("name", ["es256", "ps256"])
def test_greenpass_accepts_ours_and_refuses_what_was_altered(name: str, request: pytest.FixtureRequest) -> None:
    key: SigningKey = request.getfixturevalue(name)
    members = {n: v for n, v in jwk.members(key.signer.public_key).items() if n in ("x", "y", "n", "e")}
    numbers = {name: jwk.unbase64url(value).hex() for name, value in members.items()}
    text = hc1.issue(PAYLOAD, key, NOW).text
    assert asked([PYTHON, "-c", GREENPASS], {"text": text, "key": numbers}) == [True, PAYLOAD, key.kid.hex()]
    assert asked([PYTHON, "-c", GREENPASS], {"text": altered(text), "key": numbers})[0] is False


def card(key: SigningKey) -> dict[str, Any]:
    return {
        "text": shc.issue(BUNDLE, key, NOW, ISSUER).qr,
        "address": f"{ISSUER}/.well-known/jwks.json",
        "key": jwk.public(key.signer.public_key),
    }


def with_another_end(text: str) -> str:
    return text[:-6] + "000000"


@python
def test_healthcards_accepts_ours_and_refuses_what_was_altered(es256: SigningKey) -> None:
    given = card(es256)
    verified, payload = asked([PYTHON, "-c", HEALTHCARDS], given)
    assert (verified, payload["vc"]["credentialSubject"]["fhirBundle"]) == (True, BUNDLE)
    assert asked([PYTHON, "-c", HEALTHCARDS], {**given, "text": with_another_end(given["text"])})[0] is False


@node
def test_shc_sdk_accepts_ours_and_refuses_what_was_altered(es256: SigningKey) -> None:
    given = card(es256)
    verified, credential = asked(["node", "-e", SHC_SDK], given)
    assert (verified, credential["vc"]["credentialSubject"]["fhirBundle"]) == (True, BUNDLE)
    assert asked(["node", "-e", SHC_SDK], {**given, "text": with_another_end(given["text"])})[0] is False
