"""Base45: two bytes as three characters of the QR alphanumeric alphabet.

https://www.rfc-editor.org/rfc/rfc9285

Each pair of bytes gets a lane of 40 bits in one long integer, so that all pairs are multiplied at once, in C: twice
as fast as a loop, without tables. A lane never overflows into its neighbour: the largest product has 38 bits.
"""

from signing.refusal import Refused

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_LANE = 5  # bytes
# n // d is the top byte of a lane that holds n * (2**32 // d + 1), for every n < 65,536 and these two d.
_BY_2025, _BY_45 = 2**32 // 2025 + 1, 2**32 // 45 + 1
_FOREIGN = 255
_CHARACTERS = bytes(map(ord, ALPHABET)).ljust(256, b"?")
_VALUES = bytes(ALPHABET.find(chr(byte)) % 256 for byte in range(256))  # -1 % 256 marks a foreign character


def encode(data: bytes) -> str:
    """Write `data` with the 45 characters; its length becomes 3 for each 2 bytes and 2 for an odd last byte."""
    count, odd = divmod(len(data), 2)
    numbers = 256 * _lanes(data[: 2 * count : 2]) + _lanes(data[1::2])
    high = _bytes(numbers * _BY_2025, count)[::_LANE]
    numbers -= 2025 * _lanes(high)
    middle = _bytes(numbers * _BY_45, count)[::_LANE]
    low = _bytes(numbers - 45 * _lanes(middle), count)[_LANE - 1 :: _LANE]
    values = bytearray(3 * count)
    values[::3], values[1::3], values[2::3] = low, middle, high
    if odd:
        values += bytes((data[-1] % 45, data[-1] // 45))
    return values.translate(_CHARACTERS).decode("ascii")


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
    whole = values[: 3 * count]
    numbers = _bytes(_lanes(whole[::3]) + 45 * _lanes(whole[1::3]) + 2025 * _lanes(whole[2::3]), count)
    if any(numbers[2::_LANE]):
        raise Refused("base45-value", "three characters stand for more than two bytes can hold")
    data = bytearray(2 * count)
    data[::2], data[1::2] = numbers[3::_LANE], numbers[4::_LANE]
    if rest:
        last = values[-2] + 45 * values[-1]
        if last > 255:
            raise Refused("base45-value", "the last two characters stand for more than one byte can hold")
        data.append(last)
    return bytes(data)


def _lanes(values: bytes) -> int:
    """Return the integer whose lanes hold `values`."""
    lanes = bytearray(_LANE * len(values))
    lanes[_LANE - 1 :: _LANE] = values
    return int.from_bytes(lanes, "big")


def _bytes(lanes: int, count: int) -> bytes:
    return lanes.to_bytes(_LANE * count, "big")
