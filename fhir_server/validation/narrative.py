"""Narrative: a well-formed div of basic formatting, nothing that runs, loads or expands.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

import re
from typing import Final
from xml.parsers import expat

from fhir_server.validation.report import shown

XHTML: Final = "http://www.w3.org/1999/xhtml"
MAX_LENGTH: Final = 1024 * 1024  # characters, as for a string
# Basic formatting of HTML 4.0 chapters 7–11 and 15, `a` and `img` (rule txt-1).
# fmt: off
ELEMENTS: Final = (
    "a", "abbr", "acronym", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code", "col",
    "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "img", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
)
# fmt: on
ALLOWED: Final = frozenset(f"{XHTML} {name}" for name in ELEMENTS)
IMAGE: Final = f"{XHTML} img"
TEXT: Final = re.compile(r">\s*[^<>&\s]").search
SCHEMES: Final = ("http:", "https:", "mailto:", "tel:", "urn:", "data:image/")

Text = tuple[str, str]  # en, vi


class Refused(Exception):
    """The narrative breaks a rule; carries the text."""

    def __init__(self, en: str, vi: str):
        super().__init__(en)
        self.text: Text = (en, vi)


class Reader:
    """Meets the parts of a narrative in order, and raises Refused at the first that is not allowed."""

    def __init__(self) -> None:
        self.begun = False
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Meet a start tag; `name` is "namespace name"."""
        if name not in ALLOWED or not self.begun:
            self._tag(name)
        if attributes:
            _attributes(attributes)
        if name == IMAGE:
            self.content = True

    def _tag(self, name: str) -> None:
        """Refuse a tag that is not allowed, or not as the first one."""
        namespace, _, local = name.rpartition(" ")
        if not self.begun and local != "div":
            raise Refused(
                f'The narrative starts with <{shown(local)}>: wrap it in <div xmlns="{XHTML}">',
                f'Phần mô tả bắt đầu bằng <{shown(local)}>: hãy đặt trong <div xmlns="{XHTML}">',
            )
        self.begun = True
        if namespace != XHTML:
            raise Refused(
                f'<{shown(local)}> is not in the XHTML namespace: write <div xmlns="{XHTML}"> around the narrative',
                f'<{shown(local)}> không thuộc không gian tên XHTML: hãy ghi <div xmlns="{XHTML}"> bao ngoài',
            )
        if name not in ALLOWED:
            raise Refused(
                f"<{shown(local)}> is not allowed in a narrative: only basic formatting is, remove it",
                f"Không được dùng <{shown(local)}> trong phần mô tả: chỉ cho phép định dạng cơ bản, hãy xóa thẻ này",
            )

    def text(self, text: str) -> None:
        """Meet character data."""
        self.content = self.content or not text.isspace()

    def doctype(self, *_: object) -> None:
        """Meet a document type declaration, with which entities could be made to expand without end."""
        raise Refused(
            "A narrative has no document type declaration: remove <!DOCTYPE …>",
            "Phần mô tả không được có khai báo DOCTYPE: hãy xóa <!DOCTYPE …>",
        )

    def instruction(self, target: str, _text: str) -> None:
        """Meet a processing instruction."""
        raise Refused(
            f"A narrative has no processing instruction: remove <?{shown(target)} …?>",
            f"Phần mô tả không được có chỉ thị xử lý: hãy xóa <?{shown(target)} …?>",
        )


def _attributes(attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        local = name.rpartition(" ")[2].lower()
        if local.startswith("on"):
            raise Refused(
                f"The attribute {shown(local)} would run a script: remove it",
                f"Thuộc tính {shown(local)} sẽ chạy mã lệnh: hãy xóa thuộc tính này",
            )
        if local in ("href", "src", "longdesc", "background", "action") and not _harmless(value):
            raise Refused(
                f"The address '{shown(value)}' is not allowed: use http(s), mailto, tel, # or a relative one",
                f"Không được dùng địa chỉ '{shown(value)}': hãy dùng http(s), mailto, tel, # hoặc địa chỉ tương đối",
            )


def _harmless(address: str) -> bool:
    # Browsers skip control characters and white space before they read the scheme.
    text = "".join(character for character in address if character > " ").lower()
    return text.startswith(SCHEMES) or ":" not in text.partition("/")[0].partition("#")[0].partition("?")[0]


def fault(div: str) -> Text | None:
    """Return what is wrong with the narrative `div` (en, vi), or None."""
    if len(div) > MAX_LENGTH:
        return (
            f"The narrative has {len(div):,} characters, at most {MAX_LENGTH:,} are allowed: shorten it",
            f"Phần mô tả có {len(div):,} ký tự, tối đa {MAX_LENGTH:,}: hãy rút ngắn",
        )
    reader = Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.ProcessingInstructionHandler = reader.instruction
    if "<!" not in div and TEXT(div):
        reader.content = True  # seen without asking the parser, which would call back for every line
    else:
        parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(div, True)
    except Refused as refused:
        return refused.text
    except expat.ExpatError as error:
        return (
            f"The narrative is not well-formed XHTML: {expat.ErrorString(error.code)} in line {error.lineno}, column "
            f"{error.offset + 1}; close every tag, and write characters such as &#160; instead of &nbsp;",
            f"Phần mô tả không phải XHTML đúng cú pháp: dòng {error.lineno}, cột {error.offset + 1} "
            f"({expat.ErrorString(error.code)}); hãy đóng mọi thẻ và ghi &#160; thay cho &nbsp;",
        )
    except UnicodeEncodeError:
        return "The narrative holds text that is not Unicode: remove it", "Phần mô tả chứa ký tự không phải Unicode"
    if not reader.content:
        return (
            "The narrative is empty (txt-2): write some text in it, or leave `text` out",
            "Phần mô tả không có nội dung (txt-2): hãy ghi nội dung hoặc bỏ `text`",
        )
    return None
