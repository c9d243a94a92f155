"""Certificates out of what people have: a text, a file, a picture, a PDF with one code or with ten.

https://spec.smarthealth.cards/#every-health-card-can-be-embedded-in-a-qr-code and HCERT, section 4.2.2
"""

from collections.abc import Iterable

from signing import hc1, qr, shc, svg, vdsnc
from signing.refusal import Refused

MOST = 32  # certificates in one picture or PDF
_PDF = b"%PDF-"
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
_CARD_FILE = b'"verifiableCredential"'


def certificates(content: bytes) -> tuple[str, ...]:
    """Return the text of every certificate in `content`, one or more.

    A text is returned as it is, but for line breaks at its end; whether it is a certificate, verification says. Raise
    Refused when a picture or PDF cannot be read, is too large or shows no certificate, or when bytes are no text.
    """
    if content[:1024].lstrip().startswith(_PDF):
        from signing import pdf  # the renderer is a large library that few need

        return _among(pdf.codes(content))
    if content.startswith(_PICTURES):
        return _among(qr.read(content))
    if len(content) > qr.LARGEST_FILE:
        raise Refused("too-long", f"the file has more than {qr.LARGEST_FILE} bytes")
    try:
        # An editor ends a file with a line break; a space, however, belongs to the text. Some begin with a mark (BOM).
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Refused("not-text", "the file is neither text nor a picture nor a PDF that can be read") from None
    if svg.is_svg(content):
        return _among(qr.in_image(svg.drawn(text)))
    if text.lstrip().startswith("{") and _CARD_FILE in content:
        return shc.in_file(text)
    if text.startswith(shc.PREFIX):
        return _among(text.split())
    return (text,)


def is_certificate(text: str) -> bool:
    """Return whether `text` begins like a certificate of any format."""
    return text[:4].upper() in {"HC1:", "HC2:", "HL0:"} or text.startswith((shc.PREFIX, "{")) or shc.is_jws(text)


def _among(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the certificates among the texts of codes: of cards in chunks the chunks together."""
    found: dict[str, None] = {}
    chunks: list[str] = []
    others = 0
    for code in codes:
        if code.startswith(shc.PREFIX) and _total(code) > 1:
            chunks.append(code)
        elif code.startswith((hc1.PREFIX, shc.PREFIX)) or _is_seal(code):
            found[code] = None
        else:
            others += 1
    found |= dict.fromkeys([" ".join(chunks)] if chunks else [])
    if not found:
        raise Refused("no-certificate", f"there are {others} QR codes, none of them a certificate")
    if len(found) > MOST:
        raise Refused("too-many", f"there are more than {MOST} certificates")
    return tuple(found)


def _total(code: str) -> int:
    try:
        return shc.chunks_of(code)
    except Refused:
        return 1


def _is_seal(code: str) -> bool:
    try:
        vdsnc.parse(code)
    except Refused:
        return False
    return True
