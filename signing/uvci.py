"""The unique certificate identifier (UVCI): made from randomness, with or without a check character.

https://ec.europa.eu/health/sites/health/files/ehealth/docs/vaccination-proof_interoperability-guidelines_en.pdf
Annex 2; the check character is Luhn mod 38 over the whole identifier, as the FAQ of the DCC schema computes it.

Of the identifiers with a check character in public test material, more than half have a wrong one: it is a help
against slips of the pen and no reason to reject a certificate.
"""

from signing.refusal import Refused

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:"
PREFIX = "URN:UVCI:01"
RANDOM_BYTES = 16


def make(random: bytes, country: str = "VN", *, checked: bool = False) -> str:
    """Return `URN:UVCI:01:VN:` and the 16 bytes of `random` in upper-case hexadecimal, with `#` and check if wanted.

    Raise Refused when `random` has another length: a shorter identifier could be guessed.
    """
    if len(random) != RANDOM_BYTES:
        raise Refused("uvci-random", f"an identifier takes {RANDOM_BYTES} random bytes, not {len(random)}")
    identifier = f"{PREFIX}:{country}:{random.hex().upper()}"
    return f"{identifier}#{check_character(identifier)}" if checked else identifier


def check_character(identifier: str) -> str:
    """Return the check character of an identifier without `#`; raise Refused on a character it cannot have."""
    total, factor, size = 0, 2, len(ALPHABET)
    for character in reversed(identifier.upper()):
        place = ALPHABET.find(character)
        if place < 0:
            raise Refused("uvci-character", f"{character!r} has no place in a certificate identifier")
        total += sum(divmod(factor * place, size))
        factor = 3 - factor
    return ALPHABET[-total % size]


def checks(identifier: str) -> bool | None:
    """Return whether the check character is right; None when the identifier has none."""
    body, mark, character = identifier.partition("#")
    if not mark:
        return None
    try:
        return character.upper() == check_character(body)
    except Refused:
        return False
