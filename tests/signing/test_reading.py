"""https://spec.smarthealth.cards/#every-health-card-can-be-embedded-in-a-qr-code and HCERT, section 4.2.2"""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from signing import hc1, pdf, qr, reading, shc, vdsnc
from signing.keys import SigningKey
from signing.refusal import Refused
from tests.signing.conftest import NOW, PAYLOAD
from tests.signing.test_shc import BUNDLE, ISSUER
from tests.signing.test_vdsnc import MESSAGE

EXAMPLES = Path(__file__).parents[2] / "../shared/certificates/shc/spec-examples"


def page(*texts: str, side: int = 330, size: tuple[int, int] = (1240, 1754)) -> Image.Image:
    """Return a page with the codes of `texts`, three in a row."""
    drawn = Image.new("L", size, 255)
    for number, text in enumerate(texts):
        code = Image.open(BytesIO(qr.png(text))).convert("L").resize((side, side), Image.Resampling.LANCZOS)
        drawn.paste(code, (30 + number % 3 * (side + 50), 30 + number // 3 * (side + 50)))
    return drawn


def as_pdf(*pages: Image.Image, **options: Any) -> bytes:
    out = BytesIO()
    pages[0].save(out, "PDF", resolution=150, save_all=True, append_images=pages[1:], **options)
    return out.getvalue()


def as_picture(drawn: Image.Image, kind: str) -> bytes:
    out = BytesIO()
    drawn.save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def texts(es256: SigningKey) -> tuple[str, str, str]:
    """One certificate of each format."""
    card = shc.issue(BUNDLE, es256, NOW, ISSUER).qr
    return hc1.issue(PAYLOAD, es256, NOW).text, card, vdsnc.issue(MESSAGE, es256, NOW, "VNM")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "PDF"])
@pytest.mark.parametrize("format", [0, 1, 2], ids=["hc1", "shc", "vds-nc"])
def test_every_format_is_found_in_every_kind_of_file(kind: str, format: int, texts: tuple[str, str, str]) -> None:
    drawn = page(texts[format], side=900)
    assert reading.certificates(as_pdf(drawn) if kind == "PDF" else as_picture(drawn, kind)) == (texts[format],)


def test_a_pdf_with_ten_codes_holds_ten_certificates(es256: SigningKey) -> None:
    ten = [hc1.issue({"number": number}, es256, NOW).text for number in range(10)]
    assert set(reading.certificates(as_pdf(page(*ten)))) == set(ten)
    assert set(reading.certificates(as_pdf(page(*ten[:5]), page(*ten[5:], "https://example.org")))) == set(ten)


@pytest.mark.skipif(not EXAMPLES.exists(), reason=f"no examples in {EXAMPLES}")
def test_the_codes_of_a_card_in_chunks_belong_together() -> None:
    chunks = [file.read_text().strip() for file in sorted(EXAMPLES.glob("example-02-f*"))]
    card = (EXAMPLES / "example-02-d-jws.txt").read_text().strip()
    [found] = reading.certificates(as_picture(page(*chunks, side=560, size=(1900, 700)), "PNG"))
    assert shc.unnumeric(found.split()) == card


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"HC1:A B \r\n", ("HC1:A B ",)),
        (b"\xef\xbb\xbfHC1:A\n", ("HC1:A",)),
        (b"eyJ.a.b", ("eyJ.a.b",)),
        (b'{"verifiableCredential": ["a", "b"]}', ("a", "b")),
        (b"shc:/5676\nshc:/2102\n", ("shc:/5676", "shc:/2102")),
        (b"nonsense", ("nonsense",)),
    ],
    ids=["spaces count", "byte order mark", "JWS", "card file", "two cards", "nonsense is for verification to judge"],
)
def test_texts_are_taken_as_they_are(content: bytes, found: tuple[str, ...]) -> None:
    assert reading.certificates(content) == found


REFUSED: dict[str, tuple[bytes, str]] = {
    "a picture of 40 MB": (b"\x89PNG" + bytes(40 * 1024 * 1024), "picture-too-large"),
    "a text of 40 MB": (b"HC1:" + b"A" * 40 * 1024 * 1024, "too-long"),
    "a PDF of 40 MB": (b"%PDF-1.7" + bytes(40 * 1024 * 1024), "pdf-too-large"),
    "a picture of 64 million pixels": (as_picture(Image.new("1", (8_000, 8_000)), "PNG"), "picture-too-large"),
    "a picture of 400 million pixels": (as_picture(Image.new("1", (20_000, 20_000)), "PNG"), "picture-too-large"),
    "a picture without codes": (as_picture(page(), "PNG"), "no-qr-code"),
    "a PDF without codes": (as_pdf(page()), "no-qr-code"),
    "a PDF of other codes": (as_pdf(page("https://example.org")), "no-certificate"),
    "a PDF of 21 pages": (as_pdf(*[page(size=(50, 50))] * 21), "pdf-too-large"),
    "a PDF that is none": (b"%PDF-1.7 and nothing", "not-a-pdf"),
    "neither text nor picture": (b"\xff\xfe\x00", "not-text"),
    "a card file that is none": (b'{"verifiableCredential": 5}', "not-health-card-file"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_holds_no_certificate_is_refused(what: str) -> None:
    content, code = REFUSED[what]
    with pytest.raises(Refused) as refusal:
        reading.certificates(content)
    assert refusal.value.code == code


def test_our_own_svg_is_read_back(texts: tuple[str, str, str]) -> None:
    for text in texts:
        assert reading.certificates(qr.svg(text).encode()) == (text,)


@pytest.mark.parametrize(
    "content",
    [
        "<svg>",
        '<svg viewBox="0 0 0 0">',
        '<svg viewBox="0 0 9999 9999">',
        '<svg viewBox="0 0 9 9"><path d="M0 0h9e9"/>',
    ],
    ids=["no size", "nothing", "too large", "another notation"],
)
def test_other_svg_is_refused(content: str) -> None:
    with pytest.raises(Refused):
        reading.certificates(content.encode())


def test_a_page_as_large_as_a_wall_is_drawn_smaller(es256: SigningKey) -> None:
    text = hc1.issue(PAYLOAD, es256, NOW).text
    out = BytesIO()
    page(text, side=900).save(out, "PDF", resolution=2)  # 16 by 22 metres
    assert pdf.drawn_codes(out.getvalue()) == (text,)


def test_a_renderer_that_gets_no_memory_harms_nobody(monkeypatch: pytest.MonkeyPatch, es256: SigningKey) -> None:
    monkeypatch.setattr(pdf.sys, "executable", "/bin/false")  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="not-a-pdf"):
        pdf.codes(as_pdf(page(hc1.issue(PAYLOAD, es256, NOW).text)))
