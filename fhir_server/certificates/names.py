"""Names as a certificate carries them: surname and forename, and both in the letters of a passport.

https://www.icao.int/publications/doc-series/doc-9303 — part 3, section 6: transliteration for the machine readable zone
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from unicodedata import normalize

LONGEST = 80  # characters, by the DCC schema

# Letters that do not fall apart into a letter and its marks. Marks are dropped, as Vietnamese passports do.
_LETTERS = str.maketrans(
    {
        "Đ": "D",
        "Ð": "D",  # Icelandic eth, often typed for Đ
        "Ɖ": "D",  # African D, the third look-alike
        "ẞ": "SS",
        "Æ": "AE",
        "Œ": "OE",
        "Ø": "OE",
        "Å": "AA",
        "Ł": "L",
        "Þ": "TH",
        "Ħ": "H",
        "Ŧ": "T",
        "Ŋ": "N",
        "-": "<",
        "‐": "<",  # hyphen
        "‑": "<",  # non-breaking hyphen
        "–": "<",
        ",": "<",
        " ": "<",
    }
)
_FOREIGN, _FILLERS = re.compile("[^A-Z<]"), re.compile("<+")
_REMEMBERED = 0x2000  # code points below it: all letters of Latin scripts
_USES = ("official", "usual", None, "nickname", "temp", "anonymous")  # in the order of preference; old names never


class Name(NamedTuple):
    """A person's name as the DCC spells it; a part that is missing is empty."""

    fn: str
    gn: str
    fnt: str
    gnt: str


class _Passport(dict[int, str]):
    """What each composed letter becomes, found when it is met first: millions of names have a few hundred letters."""

    def __missing__(self, letter: int) -> str:
        found = _FOREIGN.sub("", normalize("NFD", chr(letter).upper().translate(_LETTERS)))
        if letter < _REMEMBERED:
            self[letter] = found
        return found


_PASSPORT = _Passport()


def transliterate(text: str) -> str:
    """Return `text` in A–Z with `<` for spaces and hyphens, apostrophes dropped, at most 80 characters."""
    letters = normalize("NFKC", text).translate(_PASSPORT)
    return _FILLERS.sub("<", letters).strip("<")[:LONGEST].rstrip("<")


def choose(names: Sequence[Mapping[str, Any]]) -> Name | None:
    """Return the name to certify of a Patient's: the official one first, never an old one; None when none can be read.

    In a name that is only text the first word is the family name, as Vietnamese write it. A single word is a family
    name (ICAO 9303: the primary identifier).
    """
    usable = sorted((name for name in names if name.get("use") in _USES), key=lambda name: _USES.index(name.get("use")))
    for human_name in usable:
        family, given = _parts(human_name)
        fnt = transliterate(family)
        if fnt:
            return Name(family[:LONGEST], given[:LONGEST], fnt, transliterate(given))
    return None


def _parts(name: Mapping[str, Any]) -> tuple[str, str]:
    family = _clean(name.get("family"))
    given = _clean(" ".join(part for part in name.get("given", ()) if isinstance(part, str)))
    words = _clean(name.get("text")).split(" ")
    if not family and not given:
        return words[0], " ".join(words[1:])
    if not given and words[: len(family.split(" "))] == family.split(" "):
        given = " ".join(words[len(family.split(" ")) :])
    if not family and given and words[-len(given.split(" ")) :] == given.split(" "):
        family = " ".join(words[: -len(given.split(" "))])
    return (family, given) if family else (given, "")


def _clean(text: Any) -> str:
    """Return `text` composed (NFC), its white space reduced to single spaces, without what nobody sees.

    Marks that turn the direction of writing or have no width make a name look like another one.
    """
    cleaned = " ".join(normalize("NFC", text).split()) if isinstance(text, str) else ""
    return cleaned if cleaned.isprintable() else "".join(filter(str.isprintable, cleaned))
