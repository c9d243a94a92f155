"""QR codes drawn as SVG, read back: paths of horizontal runs, as this package and the usual libraries write them.

https://www.w3.org/TR/SVG2/paths.html
"""

import re
from collections.abc import Iterator

from PIL import Image, ImageDraw

from signing.refusal import Refused

_VIEW = re.compile(r'<svg[^>]*\sviewBox="0 0 (\d{1,3}) (\d{1,3})"', re.ASCII)
_PATH = re.compile(r"<path\b([^>]*)>", re.ASCII)
_DRAWN = re.compile(r'\sd="([Mmhvz0-9 .,-]*)"', re.ASCII)
_STEP = re.compile(r"([Mmhv])\s*(-?\d*\.?\d+)(?:[ ,]*(-?\d*\.?\d+))?", re.ASCII)
_WHITE = re.compile(r'\b(?:fill|stroke)="(?:#fff(?:fff)?|white)"', re.ASCII)
_SCALE = 4  # pixels a unit
_MOST_STEPS = 100_000


def is_svg(content: bytes) -> bool:
    """Return whether `content` begins like an SVG picture."""
    return b"<svg" in content[:512]


def drawn(text: str) -> Image.Image:
    """Return the picture that `text` describes, as far as it consists of runs; raise Refused when it is none."""
    view = _VIEW.search(text)
    if view is None or not int(view[1]) or not int(view[2]):
        raise Refused("not-a-picture", "the SVG has no viewBox of up to 999 units")
    image = Image.new("L", (_SCALE * int(view[1]), _SCALE * int(view[2])), 255)
    draw = ImageDraw.Draw(image)
    for path in _PATH.findall(text):
        steps = _DRAWN.search(path)
        if steps is None or _WHITE.search(path):
            continue
        for x, y, length in _runs(steps[1], middle="stroke=" in path):
            draw.rectangle([_SCALE * x, _SCALE * y, _SCALE * (x + length) - 1, _SCALE * (y + 1) - 1], 0)
    return image


def _runs(steps: str, *, middle: bool) -> Iterator[tuple[float, float, float]]:
    """Yield where each run begins and how long it is; with `middle`, a stroke of one unit lies around its line."""
    x = y = 0.0
    for number, (step, first, second) in enumerate(_STEP.findall(steps)):
        if number > _MOST_STEPS:
            raise Refused("picture-too-large", f"the SVG has more than {_MOST_STEPS} steps")
        length = float(first)
        if step == "M":
            x, y = length, float(second or 0)
        elif step == "m":
            x, y = x + length, y + float(second or 0)
        elif step == "v":
            y += length
        else:
            if length > 0:
                yield x, y - 0.5 if middle else y, length
            x += length
