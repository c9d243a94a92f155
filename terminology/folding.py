"""Texts compared as people search them: without case, accents, the bar of đ, or punctuation.

https://hl7.org/fhir/R4/valueset-operation-expand.html (`filter`)
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")
_WORD = re.compile(r"\w+")


def words(text: str) -> tuple[str, ...]:
    """Return the words of `text`, folded, each once.

    >>> words("Phường Đống Đa (Hà Nội)")
    ('phuong', 'dong', 'da', 'ha', 'noi')
    """
    found: list[str] = []
    for part in text.split():
        if part.isascii() and part.isalnum():  # one word as it is, such as a code
            found.append(part.lower())
        else:
            found += _folded(part)
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=16384)  # texts are many, the words that they are made of few
def _folded(text: str) -> tuple[str, ...]:
    bare = text.lower() if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFD", text.casefold()))
    return tuple(_WORD.findall(bare.replace("đ", "d")))


def found(wanted: Iterable[str], among: Iterable[str]) -> bool:
    """Return whether every word wanted is the beginning of one `among` those there are."""
    there = tuple(among)
    return all(any(word.startswith(start) for word in there) for start in wanted)
