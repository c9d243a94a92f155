"""Which of several business versions is the newest.

https://hl7.org/fhir/R4/references.html#canonical — a canonical without a version means the latest
"""

import re
from typing import Final

LONGEST: Final = 64  # characters that are compared
_RUN: Final = re.compile(r"\d+|\D+")


def natural(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return what orders versions as people do: 1.10 after 1.9.

    >>> natural("1.10") > natural("1.9")
    True
    """
    runs = _RUN.findall(version[:LONGEST])
    return tuple((1, int(run), "") if run.isascii() and run.isdecimal() else (0, 0, run) for run in runs)
