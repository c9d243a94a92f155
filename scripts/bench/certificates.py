"""Certificates issued and verified, for each second of one core."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from scripts.bench.serving import rate, tell
from signing import development, hc1, verify

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


def run() -> None:
    """Print a table: algorithm, issued and verified a second."""
    tell("| certificate | issued a second and core | verified a second and core |")
    tell("|---|---|---|")
    for name, algorithm in (("HC1, ES256 (P-256)", -7), ("HC1, PS256 (RSA-2048)", -37)):
        issued, verified = _hc1(algorithm, datetime.now(UTC))
        tell(f"| {name} | {issued:,.0f} | {verified:,.0f} |")


def _hc1(algorithm: int, now: datetime) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        key = development.generate(Path(folder) / "keys", now, algorithm)
    trust = verify.TrustList([key.signer])
    text = hc1.issue(PAYLOAD, key, now).text
    return rate(lambda: hc1.issue(PAYLOAD, key, now)), rate(lambda: verify.verify(text, trust, now))
