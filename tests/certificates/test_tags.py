"""A certificate on paper for who cannot see it: what PDFium, which browsers read aloud with, finds in it.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf — 14.7 logical structure, 14.8 tags
"""

import ctypes
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from fhir_server.certificates import paper
from fhir_server.certificates.content import Line
from signing import qr

LINES = (
    Line("name", "Họ và tên", "Full name", "Đỗ Thị Ngọc Bích"),
    Line("identifier", "Mã số", "Identifier", "URN:UVCI:01:VN:" + "A" * 200),
)
REMARKS = (("Giấy này có chữ ký số", "This page is signed"),)
PAGE = paper.Page(("CHỨNG NHẬN TIÊM CHỦNG", "VACCINATION CERTIFICATE"), LINES, qr.png("HC1:TEST"), REMARKS)
Node = tuple[str, Any]  # kind, and its text or the nodes in it


@pytest.fixture(scope="module")
def document() -> bytes:
    return paper.pdf(PAGE)


def read(getter: Callable[..., int], element: Any) -> str:
    """Return a text that PDFium tells of an element."""
    size = getter(element, None, 0)
    buffer = ctypes.create_string_buffer(size)
    getter(element, buffer, size)
    return buffer.raw.decode("utf-16-le").rstrip("\0")


def pieces(page: pypdfium2.PdfPage) -> dict[int, str]:
    """Return the text of each marked piece of the page, in the order in which it is drawn."""
    found: dict[int, str] = {}
    texts = pdfium.FPDFText_LoadPage(page.raw)
    for object in page.get_objects():
        number = pdfium.FPDFPageObj_GetMarkedContentID(object.raw)
        text = ""
        if object.type == pdfium.FPDF_PAGEOBJ_TEXT:
            size = pdfium.FPDFTextObj_GetText(object.raw, texts, None, 0)
            buffer = (ctypes.c_ushort * (size // 2))()
            pdfium.FPDFTextObj_GetText(object.raw, texts, buffer, size)
            text = bytes(buffer).decode("utf-16-le").rstrip("\0")
        found[number] = found.get(number, "") + text
    pdfium.FPDFText_ClosePage(texts)
    return found


def tree(document: bytes) -> tuple[list[Node], dict[str, str], dict[int, str]]:
    """Return the structure of the page, what stands for its picture, and its pieces by number."""
    alternatives: dict[str, str] = {}
    with pypdfium2.PdfDocument(document) as pdf:
        page = pdf[0]
        drawn = pieces(page)

        def node(element: Any) -> Node:
            kind = read(pdfium.FPDF_StructElement_GetType, element)
            if shown := read(pdfium.FPDF_StructElement_GetAltText, element):
                alternatives[kind] = shown
            number = pdfium.FPDF_StructElement_GetMarkedContentIdAtIndex(element, 0)
            if number >= 0:
                return kind, drawn[number]
            count = pdfium.FPDF_StructElement_CountChildren(element)
            return kind, [node(pdfium.FPDF_StructElement_GetChildAtIndex(element, place)) for place in range(count)]

        structure = pdfium.FPDF_StructTree_GetForPage(page.raw)
        count = pdfium.FPDF_StructTree_CountChildren(structure)
        found = [node(pdfium.FPDF_StructTree_GetChildAtIndex(structure, place)) for place in range(count)]
        pdfium.FPDF_StructTree_Close(structure)
        return found, alternatives, drawn


def test_the_page_is_a_heading_a_table_a_picture_and_remarks(document: bytes) -> None:
    found, alternatives, _ = tree(document)
    [(kind, parts)] = found
    assert kind == "Document"
    assert parts == [
        ("H1", "CHỨNG NHẬN TIÊM CHỦNG"),
        ("P", "VACCINATION CERTIFICATE"),
        (
            "Table",
            [
                ("TR", [("TH", "Họ và tên / Full name"), ("TD", "Đỗ Thị Ngọc Bích")]),
                ("TR", [("TH", "Mã số / Identifier"), ("TD", "URN:UVCI:01:VN:" + "A" * 200)]),
            ],
        ),
        ("Figure", ""),
        ("P", "Giấy này có chữ ký số"),
        ("P", "This page is signed"),
    ]
    assert alternatives == {"Figure": "Mã QR của giấy chứng nhận / QR code of the certificate"}


def test_nothing_on_the_page_is_without_a_tag(document: bytes) -> None:
    _, _, drawn = tree(document)
    assert sorted(drawn) == list(range(len(drawn)))


def test_the_document_says_that_it_is_tagged_its_languages_and_its_title(document: bytes) -> None:
    root = PdfFileReader(BytesIO(document)).root
    assert (bool(root["/MarkInfo"]["/Marked"]), root["/Lang"]) == (True, "vi-VN")
    assert bool(root["/ViewerPreferences"]["/DisplayDocTitle"])
    page = root["/Pages"]["/Kids"][0]
    assert (page["/StructParents"], page["/Tabs"]) == (0, "/S")
    parts = [part.get_object() for part in root["/StructTreeRoot"]["/K"]["/K"]]
    assert [part.get("/Lang") for part in parts] == ["vi-VN", "en", None, None, "vi-VN", "en"]
    [zero, places] = root["/StructTreeRoot"]["/ParentTree"]["/Nums"]
    places = [place.get_object() for place in places]
    kinds = [place["/S"] for place in places]
    assert (zero, kinds) == (0, ["/H1", "/P", "/TH", "/TD", "/TH", "/TD", "/Figure", "/P", "/P"])
    assert [place["/K"] for place in places] == [[number] for number in range(9)]
    assert places[2]["/A"] == {"/O": "/Table", "/Scope": "/Row"}


def test_the_same_page_is_the_same_bytes(document: bytes) -> None:
    assert paper.pdf(PAGE) == document
