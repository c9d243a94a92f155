"""Base45: two bytes as three characters of the QR alphanumeric alphabet.

https://www.rfc-editor.org/rfc/rfc9285

All pairs of bytes stand side by side in one long integer, are multiplied and divided at once, in C, and become
characters together: several times as fast as a loop, without tables. No lane overflows into its neighbour: the largest
product has 38 bits of 40 when writing, the largest sum 17 of 24 when reading.
"""

from functools import lru_cache

from signing.refusal import Refused

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_LANE = 5  # bytes
# n // d is the top byte of a lane that holds n * (2**32 // d + 1), for every n < 65,536 and these two d.
_BY_2025, _BY_45 = 2**32 // 2025 + 1, 2**32 // 45 + 1
_FOREIGN = 255
_NOTHING = b"\xff"  # what a lane holds beside its three characters
_CHARACTERS = bytes(map(ord, ALPHABET)).ljust(256, b"?")
_VALUES = bytes(ALPHABET.find(chr(byte)) % 256 for byte in range(256))  # -1 % 256 marks a foreign character


def encode(data: bytes) -> str:
    """Write `data` with the 45 characters; its length becomes 3 for each 2 bytes and 2 for an odd last byte."""
    count, odd = divmod(len(data), 2)
    lanes = bytearray(_LANE * count)
    lanes[_LANE - 2 :: _LANE], lanes[_LANE - 1 :: _LANE] = data[: 2 * count : 2], data[1::2]
    numbers = int.from_bytes(lanes, "big")
    least, nothing = _lanes(count)
    high = numbers * _BY_2025 >> 32 & least
    numbers -= 2025 * high
    middle = numbers * _BY_45 >> 32 & least
    low = numbers - 45 * middle
    values = (nothing | low << 16 | middle << 8 | high).to_bytes(_LANE * count, "big")
    if odd:
        values += bytes((data[-1] % 45, data[-1] // 45))
    return values.translate(_CHARACTERS, _NOTHING).decode("ascii")


def decode(text: str) -> bytes:
    """Invert `encode`; raise Refused on any text that `encode` cannot write."""
    try:
        values = text.encode("latin-1").translate(_VALUES)
    except UnicodeEncodeError as error:
        raise Refused("base45-character", f"character {error.start} is not in the Base45 alphabet") from None
    if _FOREIGN in values:
        raise Refused("base45-character", f"character {values.index(_FOREIGN)} is not in the Base45 alphabet")
    count, rest = divmod(len(values), 3)
    if rest == 1:
        raise Refused("base45-length", f"{len(values)} characters cannot be Base45: the last one stands alone")
    characters = int.from_bytes(values[: 3 * count], "big")  # 24 bits for each triplet, one byte for each character
    mask = _mask(count)
    sums = (characters >> 16 & mask) + 45 * (characters >> 8 & mask) + 2025 * (characters & mask)
    numbers = sums.to_bytes(3 * count, "big")
    if numbers[::3].count(0) != count:
        raise Refused("base45-value", "three characters stand for more than two bytes can hold")
    data = bytearray(2 * count)
    data[::2], data[1::2] = numbers[1::3], numbers[2::3]
    if rest:
        last = values[-2] + 45 * values[-1]
        if last > 255:
            raise Refused("base45-value", "the last two characters stand for more than one byte can hold")
        data.append(last)
    return bytes(data)


@lru_cache(maxsize=256)
def _mask(count: int) -> int:
    """Return the integer that selects the last byte of each of `count` triplets."""
    return int.from_bytes(b"\x00\x00\xff" * count, "big")


@lru_cache(maxsize=256)
def _lanes(count: int) -> tuple[int, int]:
    """Return the integers that select the last byte of each of `count` lanes, and fill their first two."""
    return int.from_bytes(b"\0\0\0\0\xff" * count, "big"), int.from_bytes(b"\xff\xff\0\0\0" * count, "big")
