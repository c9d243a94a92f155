"""How many certificates a second one core issues and verifies, beside what the signature alone would allow.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from signing import base45, cose, development, hc1
from signing.algorithms import ES256
from signing.inflate import inflate
from signing.trust import TrustList
from signing.verify import verify


class Rates(NamedTuple):
    """Operations a second: whole certificates, and the bare signatures in them as the ceiling."""

    issue: float
    sign: float
    verify: float
    verify_signature: float


def measure(
    payload: dict[str, Any], now: datetime, clock: Callable[[], float], seconds: float = 1.0, algorithm: int = ES256
) -> Rates:
    """Measure each rate for about `seconds` by `clock` (seconds, such as time.process_time), with new keys."""
    key = development.signer(development.authority(now), now, algorithm)
    trust = TrustList([key.signer])
    text = hc1.issue(payload, key, now).text
    message = cose.parse(inflate(base45.decode(hc1.unprefix(text))))
    if not verify(text, trust, now).valid:
        raise AssertionError("what was issued must verify before it is worth measuring")
    return Rates(
        _rate(lambda: hc1.issue(payload, key, now), clock, seconds),
        _rate(lambda: key.sign(message.payload), clock, seconds),
        _rate(lambda: verify(text, trust, now), clock, seconds),
        _rate(lambda: cose.verifies(message, key.signer.public_key), clock, seconds),
    )


def _rate(operation: Callable[[], object], clock: Callable[[], float], seconds: float) -> float:
    """Return how often `operation` runs in a second: the best of the batches, as other work only slows it down."""
    batch, best, began = 200, 0.0, clock()
    while clock() - began < seconds:
        start = clock()
        for _ in range(batch):
            operation()
        best = max(best, batch / max(clock() - start, 1e-9))
    return best
