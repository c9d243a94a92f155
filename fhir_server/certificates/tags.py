"""Tags in a PDF page: what is a heading, a table, a picture, in which order, for who reads by ear or by touch.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf — 14.7 logical structure, 14.8 tags

reportlab draws no tags of its own: the marks around what is drawn are written into the page as it comes, the tree of
elements that name them is added when the page is complete.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFString
from reportlab.pdfgen.canvas import Canvas


@dataclass(slots=True)
class _Element:
    """A structure element: its kind (H1, P, Table…), what is in it, what is said of it."""

    kind: str
    parts: list["_Element | int"] = field(default_factory=list)  # an integer names a piece of the page
    said: dict[str, Any] = field(default_factory=dict)


class Tags:
    """The structure of the one page that `canvas` draws."""

    def __init__(self, canvas: Canvas):
        self._canvas = canvas
        self._root = _Element("Document")
        self._open = [self._root]
        self._pieces: list[_Element] = []  # by number: the element that each piece of the page belongs to

    @contextmanager
    def within(self, kind: str, **said: Any) -> Iterator[None]:
        """Put what is tagged inside into an element of this kind; `said` are entries of it, such as Alt or Lang."""
        element = _Element(kind, said={name: _value(value) for name, value in said.items()})
        self._open[-1].parts.append(element)
        self._open.append(element)
        try:
            yield
        finally:
            self._open.pop()

    @contextmanager
    def drawn(self, kind: str, **said: Any) -> Iterator[None]:
        """Tag what is drawn inside as an element of this kind."""
        with self.within(kind, **said):
            number, element = len(self._pieces), self._open[-1]
            self._pieces.append(element)
            element.parts.append(number)
            self._canvas._code.append(f"/{kind} <</MCID {number}>> BDC")
            yield
            self._canvas._code.append("EMC")

    def finish(self) -> None:
        """Add the tree to the document: after the page was shown, before the document is saved."""
        document = self._canvas._doc
        page = document.Pages.pages[-1]
        page.__NoDefault__ = [*page.__NoDefault__, "StructParents", "Tabs"]
        page.StructParents, page.Tabs = 0, PDFName("S")
        made: dict[int, Any] = {}
        tree = PDFDictionary({"Type": PDFName("StructTreeRoot")})
        root = document.Reference(tree)
        tree.dict["K"] = self._added(self._root, root, document.Reference(page), made)
        places = PDFArray([made[id(element)] for element in self._pieces])
        tree.dict["ParentTree"] = PDFDictionary({"Nums": PDFArray([0, places])})
        tree.dict["ParentTreeNextKey"] = 1
        document.Catalog.StructTreeRoot = root
        document.Catalog.MarkInfo = PDFDictionary({"Marked": "true"})
        self._canvas.setViewerPreference("DisplayDocTitle", "true")

    def _added(self, element: _Element, parent: Any, page: Any, made: dict[int, Any]) -> Any:
        """Add an element and what is in it; return the reference to it."""
        row = PDFDictionary({"Type": PDFName("StructElem"), "S": PDFName(element.kind), "P": parent, "Pg": page})
        row.dict.update(element.said)
        reference = made[id(element)] = self._canvas._doc.Reference(row)
        parts = [part if isinstance(part, int) else self._added(part, reference, page, made) for part in element.parts]
        row.dict["K"] = PDFArray(parts)
        return reference


HEADING_OF_ROW = {"O": "Table", "Scope": "Row"}  # 14.8.5.7: attributes of a TH


def _value(value: str | dict[str, str]) -> Any:
    if isinstance(value, str):
        return PDFString(value)
    return PDFDictionary({name: PDFName(text) for name, text in value.items()})
