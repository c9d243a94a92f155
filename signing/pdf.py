"""QR codes in PDF files: each page becomes a picture, within bounds.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf

A PDF comes from anybody, and a renderer is a large program in C: it runs in a process of its own (`python -m
signing.pdf`), with little memory and little time, so that a file made to crash it harms nobody else.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from math import sqrt

import pypdfium2 as pdfium
from PIL import Image

from signing import qr
from signing.refusal import Refused

LARGEST_FILE = 20 * 1024 * 1024  # bytes
MOST_PAGES = 20
SCALE = 3.0  # pixels a point: 216 a inch, ten for a module of the densest code at its recommended size
LARGEST_PAGE = 12_000_000  # pixels; A4 has 4.5 million at this scale, larger pages are drawn smaller


MEMORY = 1024 * 1024 * 1024  # bytes of the process that draws
SECONDS = 20


def codes(content: bytes) -> tuple[str, ...]:
    """Return the text of every QR code in a PDF, page by page.

    Raise Refused when it is no PDF, needs a password, is too large, too long or too slow, or shows no QR code.
    """
    if len(content) > LARGEST_FILE:
        raise Refused("pdf-too-large", f"the PDF has more than {LARGEST_FILE} bytes")
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "signing.pdf"], input=content, capture_output=True, timeout=2 * SECONDS, check=True
        )
        said = json.loads(answer.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise Refused("not-a-pdf", "the PDF cannot be read within the memory and time that it is given") from None
    if "refused" in said:
        raise Refused(*said["refused"])
    return tuple(said["codes"])


def drawn_codes(content: bytes) -> tuple[str, ...]:
    """Do what `codes` does in this process, without bounds of memory and time."""
    found: dict[str, None] = {}
    for page in _pages(content):
        found |= dict.fromkeys(qr.in_image(page))
    if not found:
        raise Refused("no-qr-code", "the PDF shows no QR code that can be read")
    return tuple(found)


def main() -> None:
    """Read a PDF from standard input, print its codes or the refusal as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        said: dict[str, tuple[str, ...]] = {"codes": drawn_codes(sys.stdin.buffer.read())}
    except Refused as refusal:
        said = {"refused": (refusal.code, refusal.detail)}
    json.dump(said, sys.stdout)


def _pages(content: bytes) -> Iterator[Image.Image]:
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise Refused("not-a-pdf", f"the bytes are no PDF that can be read ({error})") from None
    try:
        if len(document) > MOST_PAGES:
            raise Refused("pdf-too-large", f"the PDF has more than {MOST_PAGES} pages")
        for number in range(len(document)):
            yield _drawn(document, number)
    finally:
        document.close()


def _drawn(document: "pdfium.PdfDocument", number: int) -> Image.Image:
    try:
        page = document[number]
        width, height = page.get_size()
        area = max(1.0, width) * max(1.0, height)
        scale = min(SCALE, sqrt(LARGEST_PAGE / area))
        image: Image.Image = page.render(scale=scale, grayscale=True).to_pil()
    except (pdfium.PdfiumError, ValueError, MemoryError) as error:
        raise Refused("not-a-pdf", f"page {number + 1} cannot be drawn ({type(error).__name__})") from None
    return image


if __name__ == "__main__":
    main()
