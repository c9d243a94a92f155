"""Revocation: hashes of DCC certificates and lists of SMART Health Cards, small enough to carry a million offline.

https://github.com/eu-digital-green-certificates/dgc-gateway — RevocationBatchDto, with three types of hashes
https://spec.smarthealth.cards/#revocation — lists of `rid`

Of each hash the first 8 bytes are kept, sorted: a million take 8 MB, a certificate is found by halving, and one that
is not revoked is taken for revoked once in 10**13 times (a million entries among 2**64 values).
"""

import json
import re
from array import array
from base64 import b64decode
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from sys import byteorder
from typing import Any, Literal, NamedTuple, get_args

from signing.refusal import Refused

HashType = Literal["UCI", "COUNTRYCODEUCI", "SIGNATURE"]
HASH, KEPT = 16, 8  # bytes that a published hash has, and how many of them are kept
MAGIC = b"RVK1"
_RID = re.compile(r"([A-Za-z0-9_-]{1,24})(?:\.([0-9]{1,12}))?", re.ASCII)
_NEVER = -1  # stands for: cards of any age are revoked


class Cards(NamedTuple):
    """The revocation list of one key for health cards."""

    counter: int
    keys: "array[int]"  # hashed rid, sorted
    before: "array[int]"  # seconds since 1970, beside the keys: only cards from before are revoked; or -1


class Revoked:
    """What is revoked. Empty, it says that nothing is; to say that nothing was consulted, pass None instead."""

    def __init__(self, hashes: Iterable[bytes] = (), cards: Mapping[str, Cards] | None = None):
        """Keep `hashes` of 8 bytes and more, in any order, and the lists of health cards by `kid`."""
        kept = sorted({int.from_bytes(hash[:KEPT], "big") for hash in hashes})
        self._hashes = array("Q", kept)
        self.cards = dict(cards or {})

    @classmethod
    def from_bytes(cls, content: bytes, cards: Mapping[str, Cards] | None = None) -> "Revoked":
        """Read what `to_bytes` writes; raise Refused when it is something else, or not in order."""
        count = int.from_bytes(content[4:8], "big")
        if content[:4] != MAGIC or len(content) != 8 + KEPT * count:
            raise Refused("not-a-revocation-list", "the bytes are no list of revoked hashes")
        made = cls((), cards)
        made._hashes.frombytes(content[8:])
        if byteorder == "little":
            made._hashes.byteswap()
        if any(one >= next for one, next in pairwise(made._hashes)):
            raise Refused("not-a-revocation-list", "the hashes are not in order")
        return made

    def to_bytes(self) -> bytes:
        """Return `RVK1`, the number of hashes in 4 bytes, and the first 8 bytes of each, all in order, big-endian."""
        hashes = self._hashes[:]
        if byteorder == "little":
            hashes.byteswap()
        return MAGIC + len(hashes).to_bytes(4, "big") + hashes.tobytes()

    def __len__(self) -> int:
        return len(self._hashes) + sum(len(cards.keys) for cards in self.cards.values())

    def __contains__(self, hash: bytes) -> bool:
        """Return whether a certificate with this hash (16 bytes, or 8 of them) is revoked."""
        return _place(self._hashes, int.from_bytes(hash[:KEPT], "big")) is not None

    def __or__(self, other: "Revoked") -> "Revoked":
        """Return what either revokes; of two lists of cards of one key, the newer counts."""
        merged = Revoked()
        merged._hashes = array("Q", sorted({*self._hashes, *other._hashes}))
        merged.cards = dict(self.cards)
        for kid, cards in other.cards.items():
            if kid not in merged.cards or merged.cards[kid].counter < cards.counter:
                merged.cards[kid] = cards
        return merged

    def card(self, kid: str, rid: str, issued: datetime) -> bool | None:
        """Return whether the health card with this `rid` is revoked; None when there is no list of its key."""
        cards = self.cards.get(kid)
        if cards is None:
            return None
        place = _place(cards.keys, _hashed(rid))
        return place is not None and (cards.before[place] == _NEVER or issued.timestamp() < cards.before[place])


def hashes(
    issuer: str, identifiers: Iterable[str], signature: bytes, *, halved: bool
) -> Iterator[tuple[HashType, bytes]]:
    """Return the hashes by which a certificate may be revoked, 16 bytes each, with their type.

    `halved` is true for ECDSA, where the second half of a signature can be changed without knowing the key.
    """
    yield "SIGNATURE", digest(signature[: len(signature) // 2] if halved else signature)
    for identifier in identifiers:
        yield "UCI", digest(identifier.encode())
        yield "COUNTRYCODEUCI", digest(f"{issuer}{identifier}".encode())


def digest(data: bytes) -> bytes:
    """Return the first 16 bytes of SHA-256."""
    return sha256(data).digest()[:HASH]


def load(path: Path) -> Revoked:
    """Read a revocation list, or a folder of them (`.json`, `.bin`); raise Refused or OSError naming the file."""
    files = sorted(file for file in path.rglob("*") if file.suffix in (".json", ".bin")) if path.is_dir() else [path]
    if not files:  # "nothing is revoked" is what a list says, not a folder where one should be
        raise Refused("not-a-revocation-list", f"there is no revocation list (.json, .bin) in {path}")
    found = Revoked()
    for file in files:
        try:
            found |= parse(file.read_bytes())
        except Refused as refusal:
            raise Refused(refusal.code, f"{file.name}: {refusal.detail}") from None
    return found


def parse(content: bytes) -> Revoked:
    """Read `Revoked.to_bytes`, a list of health cards (CRL), or one or several DCC batches in JSON; Refused if none."""
    if content[:4] == MAGIC:
        return Revoked.from_bytes(content)
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused("not-a-revocation-list", f"it is not JSON ({error})") from None
    match said:
        case {"method": "rid", "kid": str() as kid, "rids": list() as rids}:
            return Revoked((), {kid: card_list(rids, said.get("ctr"))})
        case {"entries": list()}:
            return Revoked(_batch(said))
        case [*batches] | {"batches": [*batches]} if all(isinstance(batch, dict) for batch in batches):
            return Revoked(hash for batch in batches for hash in _batch(batch))
        case _:
            raise Refused("not-a-revocation-list", "it is neither a list of health cards nor a batch of hashes")


def card_list(rids: Iterable[Any], counter: Any = 0) -> Cards:
    """Return the list of one key; entries that no card can have (too long, no Base64url) revoke none."""
    found: dict[int, int] = {}
    for rid in rids:
        if isinstance(rid, str) and (read := _RID.fullmatch(rid)):
            before, key = int(read[2]) if read[2] else _NEVER, _hashed(read[1])
            known = found.setdefault(key, before)
            found[key] = _NEVER if _NEVER in (before, known) else max(before, known)
    order = sorted(found)
    return Cards(counter if type(counter) is int else 0, array("Q", order), array("q", (found[key] for key in order)))


def _batch(batch: Mapping[str, Any]) -> list[bytes]:
    entries = batch.get("entries")
    if batch.get("hashType", "SIGNATURE") not in get_args(HashType) or not isinstance(entries, list):
        raise Refused("not-a-revocation-list", f"a batch of {batch.get('hashType')!r:.40} is unknown")
    try:
        found = [b64decode(entry["hash"], validate=True) for entry in entries]
    except (TypeError, KeyError, ValueError):
        raise Refused("not-a-revocation-list", "an entry of the batch is no hash in Base64") from None
    if any(len(hash) != HASH for hash in found):
        raise Refused("not-a-revocation-list", f"a hash has {HASH} bytes")
    return found


def _hashed(rid: str) -> int:
    return int.from_bytes(sha256(rid.encode()).digest()[:KEPT], "big")


def _place(ordered: "array[int]", value: int) -> int | None:
    place = bisect_left(ordered, value)
    return place if place < len(ordered) and ordered[place] == value else None
