"""A certificate on paper: the fields of Decision 5772/QĐ-BYT in Vietnamese and English and the QR code, on one A4 page.

Decision 5772/QĐ-BYT (2021), section 1.1: eleven fields; HCERT 4.2.2: a code of 35 to 60 mm
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from io import BytesIO
from typing import Any, Final, NamedTuple

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from fhir_server.certificates import doses
from fhir_server.certificates.content import Line, summary
from fhir_server.certificates.products import vaccines
from fhir_server.certificates.tags import HEADING_OF_ROW, Tags

QR: Final = 60 * mm  # the largest that HCERT names: a long certificate keeps its modules over half a millimetre
_MARGIN, _TOP = 20 * mm, 272 * mm
_VERSION = (1, 7)  # ISO 32000-1
_VI, _EN = "vi-VN", "en"
_PLAIN, _BOLD = "Certificate", "Certificate-Bold"
_NATIONALITY: Final = "http://hl7.org/fhir/StructureDefinition/patient-nationality"
_VIETNAMESE: Final = ("VN", "VNM")


class Page(NamedTuple):
    """What stands on the page: lines in both languages, the picture of the code (PNG), remarks below."""

    title: tuple[str, str]
    lines: Sequence[Line]
    qr: bytes
    remarks: Sequence[tuple[str, str]]


def nationality(patient: Mapping[str, Any]) -> Line | None:
    """Return the nationality, which is on the paper but in no signed content; None when it is not recorded."""
    for extension in patient.get("extension", ()):
        if extension.get("url") == _NATIONALITY:
            concepts = [part.get("valueCodeableConcept", {}) for part in extension.get("extension", ())]
            codings = [coding for concept in concepts for coding in concept.get("coding", ())]
            shown = next((row.get("display") or row.get("code") for row in codings), None)
            shown = shown or next((concept.get("text") for concept in concepts if concept.get("text")), None)
            if shown:
                return Line("nationality", "Quốc tịch", "Nationality", "Việt Nam" if shown in _VIETNAMESE else shown)
    return None


def lines(format: str, content: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return what a certificate says, for people; `content` is what its signature covers."""
    match format:
        case "hc1":
            return summary(content)
        case "shc":
            return tuple(_card(content))
        case "vds-nc":
            return tuple(_seal(content.get("data", content).get("msg", content)))
        case _:
            return tuple(_international(content))


def _card(bundle: Mapping[str, Any]) -> Iterator[Line]:
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource", {})
        if resource.get("resourceType") == "Patient":
            name: Mapping[str, Any] = next(iter(resource.get("name", ())), {})
            yield from _person(
                " ".join([name.get("family", ""), *name.get("given", ())]).strip(), resource.get("birthDate")
            )
        elif resource.get("resourceType") == "Immunization":
            codes = [row.get("code", "") for row in resource.get("vaccineCode", {}).get("coding", ())]
            found = vaccines(resource.get("vaccineCode", {}))
            vaccine = found[0].trade_name if len(found) == 1 else ", ".join(codes)
            lot, facility = resource.get("lotNumber"), doses.facility_name(resource)
            yield _dose(resource.get("occurrenceDateTime"), vaccine, lot, facility)


def _seal(message: Mapping[str, Any]) -> Iterator[Line]:
    person = message.get("pid", {})
    yield from _person(person.get("n", ""), person.get("dob"))
    for event in message.get("ve", ()):
        for dose in event.get("vd", ()):
            yield _dose(dose.get("dvc"), event.get("nam"), dose.get("lot"), dose.get("adm"))


def _international(content: Mapping[str, Any]) -> Iterator[Line]:
    yield from _person(content.get("n", ""), content.get("dob"))
    dose = content.get("v", {})
    yield _dose(dose.get("dt"), dose.get("vp"), dose.get("bo"), dose.get("is"))


def _person(name: str, birth_date: str | None) -> Iterator[Line]:
    yield Line("name", "Họ và tên", "Full name", name)
    yield Line("birth-date", "Ngày tháng năm sinh", "Date of birth", birth_date or "-")


def _dose(*parts: str | None) -> Line:
    return Line("dose", "Mũi tiêm", "Dose", " · ".join(part for part in parts if part))


def pdf(page: Page, language: str = "vi") -> bytes:
    """Return the page as a tagged PDF with its fonts embedded; the same content gives the same bytes."""
    _fonts()
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1, invariant=1, lang=f"{language}-VN", pdfVersion=_VERSION)
    canvas.setTitle(" / ".join(page.title))
    canvas.setSubject("Vaccination certificate")
    tags = Tags(canvas)
    _draw(canvas, tags, page)
    canvas.showPage()
    tags.finish()
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, tags: Tags, page: Page) -> None:
    y = _TOP
    for text, kind, language, font, size in (
        (page.title[0], "H1", _VI, _BOLD, 18),
        (page.title[1], "P", _EN, _PLAIN, 12),
    ):
        with tags.drawn(kind, Lang=language):
            canvas.setFont(font, size)
            canvas.drawString(_MARGIN, y, text)
        y -= 8 * mm
    y = _draw_lines(canvas, tags, page.lines, y - 4 * mm)
    y = min(y, 110 * mm)
    with tags.drawn("Figure", Alt="Mã QR của giấy chứng nhận / QR code of the certificate"):
        canvas.drawImage(ImageReader(BytesIO(page.qr)), (A4[0] - QR) / 2, y - QR, QR, QR)
    y -= QR + 8 * mm
    for vi, en in page.remarks:
        for text, language in ((vi, _VI), (en, _EN)):
            with tags.drawn("P", Lang=language):
                canvas.setFont(_PLAIN, 8)
                for part in wrapped(text, _PLAIN, 8, A4[0] - 2 * _MARGIN):
                    canvas.drawString(_MARGIN, y, part)
                    y -= 4 * mm


def _draw_lines(canvas: Canvas, tags: Tags, lines: Sequence[Line], y: float) -> float:
    """Draw the table of what is certified, each label above its value; return where it ends."""
    with tags.within("Table"):
        for line in lines:
            with tags.within("TR"):
                with tags.drawn("TH", A=HEADING_OF_ROW):
                    canvas.setFont(_PLAIN, 8)
                    canvas.drawString(_MARGIN, y, f"{line.vi} / {line.en}")
                    y -= 5 * mm
                with tags.drawn("TD"):
                    canvas.setFont(_BOLD, 11)
                    for part in wrapped(line.value, _BOLD, 11, A4[0] - 2 * _MARGIN):
                        canvas.drawString(_MARGIN, y, part)
                        y -= 5.5 * mm
            y -= 1.5 * mm
    return y


def wrapped(text: str, font: str, size: float, width: float) -> list[str]:
    """Return `text` in lines no wider than `width` points; words that are wider themselves are cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if stringWidth(longer, font, size) <= width:
            lines[-1] = longer
            continue
        while stringWidth(word, font, size) > width:
            fits = next(n for n in range(len(word), 0, -1) if stringWidth(word[:n], font, size) <= width)
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    return [line for line in lines if line] or [""]


@cache
def _fonts() -> None:
    # Roboto (Apache License 2.0) has every letter of Vietnamese; reportlab embeds the ones that are used.
    for name, file in ((_PLAIN, "Roboto-Regular.ttf"), (_BOLD, "Roboto-Bold.ttf")):
        with as_file(files("font_roboto") / "files" / file) as path:
            registerFont(TTFont(name, str(path)))
