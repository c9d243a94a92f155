"""QR codes of certificates: drawn as PNG and SVG, read from pictures.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#422-qr-2d-barcode
"""

import re
from io import BytesIO
from typing import Any, NamedTuple

from PIL import Image
from zxingcpp import BarcodeFormat, TextMode, barcode_formats_from_str, create_barcode, read_barcodes

from signing.refusal import Refused

LEVELS = "QML"  # error correction; Q is recommended, a text that is too long for it goes down
LARGEST_FILE = 20 * 1024 * 1024  # bytes
LARGEST_PICTURE = 50_000_000  # pixels; the best cameras of telephones
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_QR = barcode_formats_from_str("QRCode")
_RUN = re.compile(rb"\x00+")


class _Modules(NamedTuple):
    """The squares of a code, quiet zone included: one byte each, 0 is dark."""

    side: int
    rows: bytes


def png(text: str, scale: int = 4) -> bytes:
    """Return the code of `text` as a PNG picture with `scale` pixels a module; raise Refused when it is too long."""
    modules = _modules(text)
    picture = Image.frombytes("L", (modules.side, modules.side), modules.rows)
    side = modules.side * max(1, scale)
    out = BytesIO()
    picture.resize((side, side), Image.Resampling.NEAREST).convert("1").save(out, "PNG", optimize=True)
    return out.getvalue()


def svg(text: str) -> str:
    """Return the code of `text` as an SVG picture one unit a module; raise Refused when it is too long."""
    modules = _modules(text)
    side = modules.side
    path = "".join(
        f"M{run.start()} {y}h{run.end() - run.start()}v1h-{run.end() - run.start()}z"
        for y in range(side)
        for run in _RUN.finditer(modules.rows[y * side : (y + 1) * side])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/><path d="{path}"/></svg>'
    )


def read(picture: bytes) -> tuple[str, ...]:
    """Return the text of every QR code in a picture (PNG, JPEG, WebP, GIF or BMP), to the last space.

    Raise Refused when the bytes are no such picture, the picture is too large, or it shows no QR code.
    """
    texts = in_image(_open(picture))
    if not texts:
        raise Refused("no-qr-code", "the picture shows no QR code that can be read")
    return texts


def in_image(image: Image.Image) -> tuple[str, ...]:
    """Return the text of every QR code in an image that is open."""
    found = read_barcodes(image, formats=_QR, text_mode=TextMode.Plain)
    return tuple(dict.fromkeys(code.text for code in found if code.valid))


def _modules(text: str) -> _Modules:
    for level in LEVELS:
        try:
            code = create_barcode(text, BarcodeFormat.QRCode, ec_level=level)
        except ValueError:
            continue
        drawn: Any = code.to_image(scale=1, add_quiet_zones=True)  # a buffer, which the stubs do not say
        return _Modules(drawn.shape[0], bytes(drawn))
    raise Refused("too-long", f"{len(text)} characters do not fit into a QR code")


def _open(picture: bytes) -> Image.Image:
    """Return the picture in shades of grey on white; its size is judged before its pixels are unpacked."""
    if len(picture) > LARGEST_FILE:
        raise Refused("picture-too-large", f"the picture has more than {LARGEST_FILE} bytes")
    try:
        image: Image.Image = Image.open(BytesIO(picture), formats=_FORMATS)
        if image.width * image.height > LARGEST_PICTURE:
            raise Refused("picture-too-large", f"the picture has more than {LARGEST_PICTURE} pixels")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
        return image.convert("L")
    except (Refused, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused("picture-too-large", f"the picture has more than {LARGEST_PICTURE} pixels") from None
    except Exception as error:  # decoders of broken pictures raise whatever they stumble over
        raise Refused("not-a-picture", f"the bytes are no picture that can be read ({type(error).__name__})") from None
