"""The verifier page says what `signing.verify` says, stage by stage: its modules run in Node.js.

https://github.com/eu-digital-green-certificates/dgc-testdata · https://spec.smarthealth.cards/examples/
"""

import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from signing import base45, cbor, development, hc1, jwk, offline, rules, shc, vdsnc
from signing import lists as trust_lists
from signing.algorithms import PS256
from signing.keys import SigningKey
from signing.offline import Bundle
from signing.refusal import Refused
from signing.revocation import Revoked, digest, hashes
from signing.rules import Rulebook
from signing.trust import CardKey, TrustList, document_signer
from signing.verification import SKEW
from signing.verify import Terms, judge
from tests.signing.test_certlogic import ASSERTIONS
from tests.signing.test_rules import COMPLETE, LISTED, RECENT, row

NODE = shutil.which("node")
RUN = Path(__file__).parent / "run.mjs"
SHARED = Path(__file__).parents[2] / "../shared/certificates"
VECTORS = sorted((SHARED / "dgc-testdata").glob("*/**/*.json"))
CARDS = SHARED / "shc/spec-examples"
NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
PERSON = {
    "ver": "1.3.0",
    "nam": {"fn": "Trần", "gn": "Thị Bích Hằng", "fnt": "TRAN", "gnt": "THI<BICH<HANG"},
    "dob": "1988-04-02",
    "v": [{"tg": "840539006", "ci": "URN:UVCI:01:VN:0123456789ABCDEF0123456789ABCDEF"}],
}
BUNDLE = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Immunization"}}]}

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not here")


NO_RULES = Rulebook((), {})


class Case(NamedTuple):
    """A certificate: the texts of its codes, when it is looked at."""

    texts: tuple[str, ...]
    now: datetime


class Keys(NamedTuple):
    """The signers of a test: elliptic curve, RSA."""

    ec: SigningKey
    rsa: SigningKey


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    start = NOW - timedelta(days=30)
    ec = development.generate(tmp_path_factory.mktemp("ec") / "keys", start)
    return Keys(ec, development.generate(tmp_path_factory.mktemp("rsa") / "keys", start, PS256))


def bundled(trust: TrustList, revoked: Revoked | None = None, rulebook: Rulebook = NO_RULES) -> Bundle:
    return Bundle(trust, revoked or Revoked(), rulebook, NOW, NOW + timedelta(days=1), "https://imm.example.vn")


def page(bundle: Bundle, key: SigningKey, cases: Iterable[Case] = (), pins: Iterable[dict[str, Any]] = ()) -> Any:
    """Return what the modules of the page make of `cases`."""
    country = bundle.rulebook.country
    asked = [{"texts": case.texts, "now": case.now.timestamp(), "country": country} for case in cases]
    job = {"bundle": offline.make(bundle, key), "pins": list(pins), "cases": asked}
    ran = subprocess.run([NODE or "", RUN], input=json.dumps(job), capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def disagreements(bundle: Bundle, key: SigningKey, cases: list[Case]) -> list[str]:
    """Return where the page differs from the library: the case, what it is about, what either says."""
    said = page(bundle, key, cases)["found"]
    assert len(said) == len(cases)
    found = []
    for case, other in zip(cases, said, strict=True):
        own = judge(" ".join(case.texts), _terms(bundle, case.now))
        ours = {name: getattr(own, name) for name in HEAD}
        ours |= {each.stage: (each.ok, _same(each.code)) for each in own.stages}
        theirs = {name: other[name] for name in HEAD}
        theirs |= {each["stage"]: (each["ok"], _same(each["code"])) for each in other["stages"]}
        if own.content is not None and own.format != "shc":  # whose numbers are decimals of their own
            ours["said"], theirs["said"] = own.content, other["content"]
        if own.format in ("dcc", "ddcc", "icvp", "vds-nc"):
            ours["by"], theirs["by"] = own.signer.country if own.signer else None, other["signedBy"]
        different = [name for name in ours if ours[name] != theirs[name]]
        found += [f"{case.texts[0]:.40}: {name}: {ours[name]}, {theirs[name]}" for name in different]
    return found


def _terms(bundle: Bundle, now: datetime) -> Terms:
    return Terms(bundle.trust, now, SKEW, bundle.revoked, bundle.rulebook if bundle.rulebook.rules else None)


HEAD = ("valid", "trusted", "format")


def _same(code: str) -> str:
    """Leave out what the page does not distinguish: how a stream is broken, and what the schema finds."""
    for kind in ("zlib", "deflate"):
        if code in {f"{kind}-truncated", f"{kind}-trailing"}:
            return f"not-{kind}"
    return "ok" if code == "schema-warning" else code


@cache
def vectors() -> list[tuple[Case, bytes]]:
    rows = []
    for path in VECTORS:
        vector = json.loads(path.read_text("utf-8-sig"))
        context = vector["TESTCTX"]
        moment = datetime.fromisoformat(context.get("VALIDATIONCLOCK") or "2021-06-01")
        case = Case((vector["PREFIX"],), moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        rows.append((case, b64decode(context["CERTIFICATE"])))
    return rows


@pytest.mark.skipif(not VECTORS, reason=f"no test vectors in {SHARED}")
def test_the_page_agrees_on_every_certificate_of_34_states(keys: Keys) -> None:
    signers = []
    for _, certificate in vectors():
        try:
            signers.append(document_signer(certificate))
        except Refused:
            continue
    bundle = bundled(TrustList([keys.ec.signer, *signers]))
    assert disagreements(bundle, keys.ec, [case for case, _ in vectors()]) == []


@pytest.mark.skipif(not CARDS.exists(), reason=f"no examples in {CARDS}")
def test_the_page_agrees_on_the_examples_of_health_cards(keys: Keys) -> None:
    found = next(file for file in (SHARED / "shc").rglob("*jwks*.json"))
    cards = trust_lists.load(found)
    texts = [path.read_text().strip() for path in sorted(CARDS.glob("*-d-jws.txt"))]
    texts += [path.read_text() for path in sorted(CARDS.glob("*.smart-health-card"))]
    cases = [Case((text,), NOW) for text in texts]
    numeric = {path.name[:10]: [] for path in sorted(CARDS.glob("*numeric*"))}  # type: dict[str, list[str]]
    for path in sorted(CARDS.glob("*numeric*")):
        numeric[path.name[:10]].append(path.read_text().strip())
    cases += [Case(tuple(codes), NOW) for codes in numeric.values()]
    assert disagreements(bundled(TrustList([keys.ec.signer]) | cards), keys.ec, cases) == []


def variants(keys: Keys) -> dict[str, Case]:
    """Return certificates good and bad, of every form that this library issues."""
    ec, rsa = keys
    good = hc1.issue(PERSON, ec, NOW).text
    card = shc.issue(BUNDLE, ec, NOW, "https://imm.example.vn", rid="abc").jws
    seal = vdsnc.issue({"uvci": "VN1", "pid": {"n": "TRAN"}, "ve": [1.5, {"é": "Đ\n"}]}, ec, NOW, "VNM")
    later = NOW + timedelta(minutes=1)
    texts = {
        "dcc": good,
        "dcc by RSA": hc1.issue(PERSON, rsa, NOW).text,
        "icvp": hc1.issue({"n": "TRAN", "dob": "1988-04-02", "v": {"dn": 1}}, ec, NOW, kind=-6).text,
        "card": card,
        "card as code": shc.numeric(card),
        "card in a file": shc.file([card, card]),
        "seal": seal,
        "altered seal": seal.replace("TRAN", "TRAM"),
        "altered card": card[:-4] + "AAAA",
        "altered": good[:-6] + "000000"[:6],
        "lower case": good.lower(),
        "no prefix": good[4:],
        "space after": good + " ",
        "line break after": good + "\n",
        "cut": good[:-3],
        "foreign character": good[:20] + "ä" + good[21:],
        "too long": "HC1:" + "0" * 20_000,
        "no zlib": "HC1:" + base45.encode(b"hello"),
        "json": "{}",
        "long json": '{"a":"' + "0" * 20_000 + '"}',
        "no json": "{",
        "no file": '{"verifiableCredential": 1}',
        "odd digits": "shc:/123",
        "high digits": "shc:/99",
        "a chunk of two": shc.numeric(card).replace("shc:/", "shc:/1/2/"),
        "nothing": "",
        "words": "xin chào",
    }
    cases = {name: Case((text,), later) for name, text in texts.items()}
    far = NOW + timedelta(days=3650)
    return {
        **cases,
        "expired": Case((good,), far),
        "card later": Case((card,), far),
        "early": Case((good,), NOW - timedelta(days=1)),
    }


def test_the_page_agrees_on_what_is_issued_here_and_on_what_is_broken(keys: Keys) -> None:
    trust = TrustList([keys.ec.signer, keys.rsa.signer])
    assert disagreements(bundled(trust), keys.ec, list(variants(keys).values())) == []


def test_the_page_agrees_on_what_is_revoked(keys: Keys) -> None:
    cases = variants(keys)
    signature = cbor.loads(_message(cases["dcc"].texts[0])).value[3]
    by_signature = [hash for _, hash in hashes("VN", [], signature, halved=True)]
    card = CardKey(jwk.thumbprint(keys.ec.signer.public_key), keys.ec.signer.public_key, None, 3)
    for revoked in (
        Revoked([*by_signature, *(digest(bytes([number])) for number in range(100))]),
        Revoked([digest(f"VN{PERSON['v'][0]['ci']}".encode())]),  # type: ignore[index]
        _cards(card.kid, ["abc"], 3),
        _cards(card.kid, [f"abc.{int(NOW.timestamp()) + 60}"], 3),
        _cards(card.kid, [f"abc.{int(NOW.timestamp()) - 60}"], 3),
        _cards(card.kid, ["other"], 2),
    ):
        trust = TrustList([keys.ec.signer, keys.rsa.signer], (), [card])
        assert disagreements(bundled(trust, revoked), keys.ec, list(cases.values())) == []


def _cards(kid: str, rids: list[str], counter: int) -> Revoked:
    from signing.revocation import card_list

    return Revoked((), {kid: card_list(rids, counter)})


def _message(text: str) -> bytes:
    from signing.deflate import inflate

    return inflate(base45.decode(text.removeprefix("HC1:")))


def test_a_bundle_counts_only_when_a_pinned_key_signed_it(keys: Keys) -> None:
    trust = TrustList([keys.ec.signer, keys.rsa.signer])
    ec, rsa = (jwk.members(key.signer.public_key) for key in keys)
    for key in keys:
        assert page(bundled(trust), key) == {"found": []}  # the first one: by a key that it lists
    assert page(bundled(trust), keys.ec, pins=[ec]) == {"found": []}
    assert page(bundled(trust), keys.ec, pins=[rsa]) == {"refused": "bundle-signature"}
    assert page(bundled(TrustList([keys.rsa.signer])), keys.ec) == {"refused": "bundle-signature"}


def test_an_altered_bundle_is_refused(keys: Keys) -> None:
    text = offline.make(bundled(TrustList([keys.ec.signer])), keys.ec)
    head, body, signature = text.split(".")
    other = offline.make(bundled(TrustList([keys.ec.signer, keys.rsa.signer])), keys.ec).split(".")[1]
    assert body != other
    for broken in (f"{head}.{other}.{signature}", f"{head}.{body}", "", f"{head}.{body}.{b64encode(b'x').decode()}"):
        job = json.dumps({"bundle": broken, "pins": [], "cases": []})
        ran = subprocess.run([NODE or "", RUN], input=job, capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout)["refused"] in {"bundle-signature", "not-jws", "not-base64url"}


def test_the_page_agrees_on_business_rules(keys: Keys) -> None:
    trust = TrustList([keys.ec.signer, keys.rsa.signer])
    cases = list(variants(keys).values())
    doses = {**PERSON, "v": [{**PERSON["v"][0], "dn": 1, "sd": 2, "mp": "EU/1/20/1528", "dt": "2026-10-20"}]}
    cases += [Case((hc1.issue(doses, key, NOW).text,), NOW + timedelta(days=days)) for key in keys for days in (0, 60)]
    complete, listed, recent = row("A", COMPLETE), row("B", LISTED), row("C", RECENT)
    vaccines = {"valueSetId": "vaccines", "valueSetValues": ["EU/1/20/1528"]}
    for rows in (
        [listed],
        [complete, listed],
        [recent],
        [row("A", {"var": "payload.dob"})],
        [row("A", {"+": [{"var": "payload.dob"}, 1]}), listed],
        [row("A", COMPLETE, Country="FR")],
        [row("A", COMPLETE, Type="Invalidation")],
        [row("A", COMPLETE), row("A", LISTED, Version="1.10.0"), row("A", RECENT, Version="1.9.0")],
        [row("A", COMPLETE, CertificateType="Test"), row("B", LISTED, CertificateType="General")],
        [row("A", COMPLETE, ValidTo="2026-10-01T00:00:00Z")],
        [row("A", COMPLETE, Region="HN")],
    ):
        rulebook = rules.parse([rows, vaccines]).arriving("VN")
        assert disagreements(bundled(trust, rulebook=rulebook), keys.ec, cases) == []


@pytest.mark.skipif(not ASSERTIONS, reason="no suite of CertLogic")
def test_the_page_passes_the_public_suite_of_the_rules_language() -> None:
    logic = [{"expression": expression, "data": data} for expression, data, _ in ASSERTIONS.values()]
    ran = subprocess.run(
        [NODE or "", RUN], input=json.dumps({"logic": logic}), capture_output=True, text=True, check=True
    )
    wrong = []
    for (name, (_, _, expected)), said in zip(ASSERTIONS.items(), json.loads(ran.stdout)["said"], strict=True):
        value = said.get("value", said)
        if isinstance(value, str) and isinstance(expected, str) and re.match(r"\d{4}-\d\d-\d\dT", expected):
            value, expected = datetime.fromisoformat(value), datetime.fromisoformat(expected)
        if (type(value), value) != (type(expected), expected):
            wrong.append((name, expected, value))
    assert wrong == []
