"""How often one address may ask: a bucket of tokens that fills again with time.

https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from fhir_server.outcome import TooManyRequests

MOST_ADDRESSES = 20_000  # kept in mind; the one that asked longest ago is forgotten first


class Buckets:
    """A bucket for each address, in this process only: `rate` tokens a minute, and at most as many at once."""

    def __init__(self, rate: int, clock: Callable[[], float]):
        """`rate` 0 refuses nobody; `clock` tells seconds."""
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def take(self, address: str, tokens: int = 1) -> None:
        """Take tokens out of the bucket of `address`; raise TooManyRequests, with the time to wait."""
        if not self._rate:
            return
        tokens, now = min(tokens, self._rate), self._clock()
        left, since = self._left.pop(address, (float(self._rate), now))
        left = min(self._rate, left + (now - since) * self._rate / 60)
        enough = left >= tokens
        self._left[address] = (left - tokens if enough else left, now)
        if len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        if not enough:
            wait = max(1, ceil((tokens - left) * 60 / self._rate))
            raise TooManyRequests(
                f"Too many certificates from this address: try again in {wait} seconds",
                f"Quá nhiều chứng nhận từ địa chỉ này: hãy thử lại sau {wait} giây",
                wait,
            )
