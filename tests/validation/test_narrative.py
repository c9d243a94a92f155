"""https://hl7.org/fhir/R4/narrative.html#xhtml"""

import time

import pytest

from fhir_server.validation import narrative

NS = 'xmlns="http://www.w3.org/1999/xhtml"'
BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))


def div(content: str) -> str:
    """Return a narrative with this content."""
    return f"<div {NS}>{content}</div>"


@pytest.mark.parametrize(
    "text",
    [
        div("Mũi 1: BCG"),
        div("<p>a</p>\n<table><tr><td colspan='2'>b</td></tr></table>"),
        div("<img src='#photo' alt=''/>"),
        div("<a href='https://moh.gov.vn'>a</a><a href='mailto:a@b.vn'>b</a><a href='Patient/1?x=a:b'>c</a>"),
        div("&#160;&amp;&lt; x"),
        div("<!-- > --><b>x</b>"),
        f"<h:div xmlns:h='{narrative.XHTML}'><h:p>x</h:p></h:div>",
        f"\n  {div('x')}\n",
    ],
)
def test_basic_formatting_is_accepted(text: str) -> None:
    assert narrative.fault(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (div("<script>alert(1)</script>"), "<script>"),
        (div("<iframe src='https://x'/>"), "<iframe>"),
        (div("<form action='/'><p>x</p></form>"), "<form>"),
        (div("<style>p {}</style>"), "<style>"),
        (div("<object data='x'/>"), "<object>"),
        (div("<SCRIPT>x</SCRIPT>"), "<SCRIPT>"),
        (div("<p onclick='x()'>x</p>"), "onclick"),
        (div("<p OnMouseOver='x()'>x</p>"), "onmouseover"),
        (div("<a href='javascript:x()'>x</a>"), "javascript:"),
        (div("<a href=' java&#10;script:x()'>x</a>"), "address"),
        (div("<a href='data:text/html,x'>x</a>"), "address"),
        (div("<a href='vbscript:x'>x</a>"), "address"),
        (div("<svg xmlns='http://www.w3.org/2000/svg'><circle/></svg>"), "namespace"),
        ("<div>x</div>", "namespace"),
        (f"<p {NS}>x</p>", "wrap it in <div"),
        (div("<p>x"), "not well-formed"),
        (div("a &nbsp; b"), "&#160;"),
        ("plain text", "not well-formed"),
        (div("x") + div("y"), "not well-formed"),
        (div(""), "empty"),
        (div(" \n&#32;<p></p>"), "empty"),
        (f"<?xml-stylesheet href='x'?>{div('x')}", "processing instruction"),
        (f"<!DOCTYPE div [<!ENTITY e0 'x'>{BOMB}]>{div('&e9;')}", "DOCTYPE"),
        (f"<!DOCTYPE div [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>{div('&x;')}", "DOCTYPE"),
        (f"<!DOCTYPE div PUBLIC '-//W3C//DTD XHTML 1.0//EN' 'http://x'>{div('x')}", "DOCTYPE"),
        (div("\ud800"), "Unicode"),
    ],
)
def test_what_runs_loads_expands_or_is_broken_is_refused(text: str, says: str) -> None:
    start = time.perf_counter()
    fault = narrative.fault(text)
    assert time.perf_counter() - start < 1
    assert fault is not None
    assert says in fault[0]
    assert fault[0] != fault[1]


def test_a_narrative_has_a_greatest_length() -> None:
    assert narrative.fault(div("x" * narrative.MAX_LENGTH)) is not None
