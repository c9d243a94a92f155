"""https://www.rfc-editor.org/rfc/rfc6585#section-4"""

import pytest

from fhir_server.outcome import TooManyRequests
from fhir_server.web.rates import MOST_ADDRESSES, Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_asks_too_often_waits_as_long_as_told() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    for _ in range(6):
        buckets.take("a", 10)
    with pytest.raises(TooManyRequests) as refusal:
        buckets.take("a", 10)
    assert (refusal.value.status, refusal.value.retry_after) == (429, 10)
    buckets.take("b", 10)
    clock.now += 9.9
    with pytest.raises(TooManyRequests):
        buckets.take("a", 10)
    clock.now += 0.1
    buckets.take("a", 10)


def test_nobody_saves_more_than_a_minute() -> None:
    clock = Clock()
    buckets = Buckets(2, clock)
    clock.now = 3600
    buckets.take("a", 10)  # more than a bucket holds takes all of it
    with pytest.raises(TooManyRequests):
        buckets.take("a")


def test_no_rate_refuses_nobody() -> None:
    buckets = Buckets(0, Clock())
    for _ in range(1000):
        buckets.take("a", 10)


def test_only_so_many_addresses_are_kept_in_mind() -> None:
    buckets = Buckets(1, Clock())
    for number in range(MOST_ADDRESSES + 10):
        buckets.take(str(number))
    buckets.take("0")  # forgotten: it may ask again
    with pytest.raises(TooManyRequests):
        buckets.take(str(MOST_ADDRESSES))
