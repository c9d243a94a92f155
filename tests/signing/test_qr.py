"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#422-qr-2d-barcode"""

import xml.etree.ElementTree as ET
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from zxingcpp import read_barcodes

from signing import base45, hc1, qr
from signing.keys import SigningKey
from signing.refusal import Refused
from tests.signing.conftest import NOW, PAYLOAD

alphanumeric = st.text(alphabet=base45.ALPHABET, min_size=1, max_size=600)


def saved(image: Image.Image, kind: str) -> bytes:
    out = BytesIO()
    image.save(out, kind)
    return out.getvalue()


@settings(max_examples=25)
@given(alphanumeric)
def test_what_is_drawn_is_read_to_the_last_space(text: str) -> None:
    assert qr.read(qr.png("HC1:" + text, 2)) == ("HC1:" + text,)


def test_the_svg_draws_the_same_squares_as_the_png(certificate: str) -> None:
    picture = Image.open(BytesIO(qr.png(certificate, 1))).convert("L")
    root = ET.fromstring(qr.svg(certificate))
    side = int(root.attrib["viewBox"].split()[-1])
    drawn = Image.new("L", (side, side), 255)
    for move in root[1].attrib["d"].split("z")[:-1]:
        start, width = move[1:].split("h")[:2]
        x, y = map(int, start.split())
        drawn.paste(0, (x, y, x + int(width.split("v")[0]), y + 1))
    assert picture.size == (side, side)
    assert drawn.tobytes() == picture.tobytes()


def test_the_code_is_alphanumeric_which_makes_it_smaller() -> None:
    # 568 characters fill version 18 at level Q; in byte mode they would need version 23 (ISO/IEC 18004, table 7).
    side = Image.open(BytesIO(qr.png("A" * 568, 1))).width
    assert side == 17 + 4 * 18 + 2 * 4


@pytest.mark.parametrize(
    ("length", "level"), [(564, "Q"), (2420, "Q"), (2421, "M"), (3391, "M"), (3392, "L"), (4296, "L")]
)
def test_long_texts_get_less_correction(length: int, level: str) -> None:
    code = read_barcodes(Image.open(BytesIO(qr.png("A" * length, 3))).convert("L"))[0]
    assert (code.text, code.ec_level) == ("A" * length, level)


def test_a_text_too_long_for_any_code_is_refused() -> None:
    for draw in (qr.png, qr.svg):
        with pytest.raises(Refused, match="too-long"):
            draw("A" * 4297)


def test_a_certificate_signed_with_rsa_fits(ps256: SigningKey) -> None:
    text = hc1.issue(PAYLOAD, ps256, NOW).text
    assert qr.read(qr.png(text)) == (text,)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_reads_the_formats_that_cameras_and_screens_make(kind: str, certificate: str) -> None:
    picture = Image.open(BytesIO(qr.png(certificate))).convert("RGB").rotate(90)
    assert qr.read(saved(picture, kind)) == (certificate,)


def test_reads_a_code_on_a_transparent_ground(certificate: str) -> None:
    dark = Image.open(BytesIO(qr.png(certificate))).convert("L")
    picture = Image.new("RGBA", dark.size, (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), mask=dark.point(lambda value: 255 - value))
    assert qr.read(saved(picture, "PNG")) == (certificate,)


def test_reads_every_code_of_a_picture(certificate: str) -> None:
    codes = [Image.open(BytesIO(qr.png(text))).convert("L") for text in (certificate, "SOMETHING ELSE")]
    page = Image.new("L", (codes[0].width + codes[1].width, codes[0].height), 255)
    page.paste(codes[0], (0, 0))
    page.paste(codes[1], (codes[0].width, 0))
    assert set(qr.read(saved(page, "PNG"))) == {certificate, "SOMETHING ELSE"}


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (b"", "not-a-picture"),
        (b"%PDF-1.7", "not-a-picture"),
        (qr.png("A")[:60], "not-a-picture"),
        (saved(Image.new("L", (50, 50), 255), "TIFF"), "not-a-picture"),
        (saved(Image.new("L", (50, 50), 255), "PNG"), "no-qr-code"),
        (bytes(qr.LARGEST_FILE + 1), "picture-too-large"),
    ],
    ids=["nothing", "PDF", "cut short", "another format", "blank", "20 MiB"],
)
def test_what_shows_no_code_is_refused(picture: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        qr.read(picture)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("width", "height"), [(7_100, 7_100), (10_000, 10_000), (60_000, 60_000)], ids=["50 MP", "100 MP", "3,600 MP"]
)
def test_a_picture_that_unpacks_to_more_than_the_bound_is_refused_unread(width: int, height: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with pytest.raises(Refused, match="picture-too-large"):
        qr.read(bomb)


@given(st.data())
def test_no_broken_picture_makes_it_raise_anything_else(data: st.DataObject) -> None:
    picture = bytearray(_PICTURE)
    for place in data.draw(st.lists(st.integers(0, len(picture) - 1), max_size=8)):
        picture[place] ^= data.draw(st.integers(1, 255))
    try:
        qr.read(bytes(picture))
    except Refused:
        return


_PICTURE = qr.png("HC1:TEST", 1)
