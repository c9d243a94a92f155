"""Certificates issued and verified, for each second of one core, beside the bare signatures in them; revocation."""

import os
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from scripts.bench.serving import rate, tell
from signing import algorithms, cose, development, hc1, offline, shc, vdsnc
from signing.algorithms import ES256, PS256
from signing.did import Pin
from signing.keys import SigningKey
from signing.revocation import Revoked
from signing.rules import Rulebook
from signing.trust import TrustList
from signing.verify import verify

DOSE = {
    "tg": "840539006",
    "vp": "1119349007",
    "mp": "EU/1/20/1528",
    "ma": "ORG-100030215",
    "dn": 3,
    "sd": 3,
    "dt": "2022-01-15",
    "co": "VN",
    "is": "Bộ Y tế",
    "ci": "URN:UVCI:01:VN:0123456789ABCDEF0123456789ABCDEF",
}
PAYLOAD = {
    "ver": "1.3.0",
    "nam": {"fn": "Trần", "gn": "Thị Bích Hằng", "fnt": "TRAN", "gnt": "THI<BICH<HANG"},
    "dob": "1988-04-02",
    "v": [DOSE],
}
_IMMUNIZATION = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]},
    "patient": {"reference": "resource:0"},
    "occurrenceDateTime": "2022-01-15",
}
_PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Trần", "given": ["Thị Bích Hằng"]}],
    "birthDate": "1988-04-02",
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"fullUrl": "resource:0", "resource": _PATIENT},
        {"fullUrl": "resource:1", "resource": _IMMUNIZATION},
    ],
}
SEAL = {
    "uvci": "VN0123456789",
    "pid": {"n": "TRAN THI BICH HANG", "dob": "1988-04-02"},
    "ve": [
        {"des": "XM68M6", "nam": "Comirnaty", "dis": "RA01.0", "vd": [{"dvc": "2022-01-15", "seq": 1, "ctr": "VNM"}]}
    ],
}
ISSUER = "https://example.vn"
HASHES = 1_000_000
TOGETHER = 500
TURNS, TURN = 12, 0.1  # seconds
_ECDSA = ec.ECDSA(SHA256())


def run() -> None:
    """Print two tables: rates by format beside those of the bare signatures, and what a million revocations take."""
    now = datetime.now(UTC)
    authority = development.authority(now)
    keys = {algorithm: development.signer(authority, now, algorithm) for algorithm in (ES256, PS256)}
    tell("| certificate | issued a second and core | verified a second and core |")
    tell("|---|---|---|")
    rows = [(name, issue, _verifying(issue(), key, now)) for name, key, issue in _formats(keys, now)] + _bare(keys)
    best = _best([work for _, issue, check in rows for work in (issue, check)])
    for (name, _, _), issued, verified in zip(rows, best[::2], best[1::2], strict=True):
        tell(f"| {name} | {issued:,.0f} | {verified:,.0f} |")
    together, alone = _best([_together(keys[ES256], now), rows[-2][1]])
    tell(f"| HC1, ES256, {TOGETHER} together | {TOGETHER * together:,.0f} (only the signature {alone:,.0f}) | |")
    _revocation(keys[ES256], now)


def _best(works: list[Callable[[], object]]) -> list[float]:
    """Return how often each is done a second and core, the best of several turns: the machine is not always as fast."""
    turns = [[rate(work, TURN, each=1) for work in works] for _ in range(TURNS)]
    return [max(rates) for rates in zip(*turns, strict=True)]


def _verifying(text: str, key: SigningKey, now: datetime) -> Callable[[], object]:
    trust = TrustList([key.signer])
    assert verify(text, trust, now).valid
    return lambda: verify(text, trust, now)


def _formats(keys: dict[int, SigningKey], now: datetime) -> list[tuple[str, SigningKey, Callable[[], str]]]:
    ec_key, rsa_key = keys[ES256], keys[PS256]
    return [
        ("HC1, ES256 (P-256)", ec_key, lambda: hc1.issue(PAYLOAD, ec_key, now).text),
        ("HC1, PS256 (RSA-2048)", rsa_key, lambda: hc1.issue(PAYLOAD, rsa_key, now).text),
        ("SMART Health Card", ec_key, lambda: shc.issue(BUNDLE, ec_key, now, ISSUER).jws),
        ("VDS-NC", ec_key, lambda: vdsnc.issue(SEAL, ec_key, now, "VNM")),
    ]


def _together(key: SigningKey, now: datetime) -> Callable[[], object]:
    """Return what issues the different certificates of a page."""
    payloads = [{**PAYLOAD, "v": [{**DOSE, "ci": f"URN:UVCI:01:VN:{number:032X}"}]} for number in range(TOGETHER)]
    return lambda: hc1.issue_all(payloads, key, now)


def _bare(keys: dict[int, SigningKey]) -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """Return what the library of cryptography alone does: the ceiling of the rates above."""
    message = cose.sign(keys[ES256], b"x" * 300)
    private = keys[ES256].private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    public, der = private.public_key(), private.sign(message, _ECDSA)
    rsa_public, rsa_signature = keys[PS256].signer.public_key, keys[PS256].sign(message)
    return [
        (
            "only the signature, ES256",
            lambda: private.sign(message, _ECDSA),
            lambda: public.verify(der, message, _ECDSA),
        ),
        (
            "only the signature, PS256",
            lambda: keys[PS256].sign(message),
            lambda: algorithms.verifies(rsa_public, rsa_signature, message),
        ),
    ]


def _revocation(key: SigningKey, now: datetime) -> None:
    random = os.urandom(16 * HASHES)
    hashes = [random[at : at + 16] for at in range(0, len(random), 16)]
    tracemalloc.start()
    revoked = Revoked(hashes)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    bundle = offline.Bundle(TrustList([key.signer]), revoked, Rulebook((), {}), now, now + timedelta(days=1), ISSUER)
    start = perf_counter()
    text = offline.make(bundle, key)
    made = perf_counter()
    offline.read(text, [Pin(key.signer.public_key)])
    read = perf_counter()
    wanted = hashes[HASHES // 2]
    good = hc1.issue(PAYLOAD, key, now).text
    trust = TrustList([key.signer])
    tell("")
    tell(f"| {HASHES:,} revoked hashes | |")
    tell("|---|---|")
    tell(f"| memory of the verifier | {held / 1e6:.1f} MB |")
    tell(f"| offline bundle | {len(text) / 1e6:.1f} MB, made in {made - start:.1f} s, read in {read - made:.1f} s |")
    tell(f"| look-ups a second | {rate(lambda: wanted in revoked):,.0f} |")
    tell(f"| HC1, ES256, verified a second and core | {rate(lambda: verify(good, trust, now, revoked=revoked)):,.0f} |")
