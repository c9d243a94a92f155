"""A certificate on paper: it says what the Decision wants, its code reads back, its signature holds.

Decision 5772/QĐ-BYT (2021), section 1.1; ETSI EN 319 142-1
"""

from io import BytesIO
from pathlib import Path

import httpx
import pypdfium2
import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from signing import reading
from tests.http.persons import issued, person, recorded, vaccinated
from tests.http.test_issue_certificate import issue, travelled


async def fetched(client: httpx.AsyncClient, identifier: str) -> bytes:
    answer = await client.get(f"/certificates/{identifier}.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.content


def text_of(document: bytes) -> str:
    with pypdfium2.PdfDocument(document) as pdf:
        assert len(pdf) == 1
        page = pdf[0]
        assert [round(side) for side in page.get_size()] == [595, 842]
        return str(page.get_textpage().get_text_bounded())


async def test_the_page_says_what_the_decision_wants_in_both_languages(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    nationality = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-nationality",
        "extension": [
            {"url": "code", "valueCodeableConcept": {"coding": [{"system": "urn:iso:std:iso:3166", "code": "VN"}]}}
        ],
    }
    await recorded(client, person(id, "001188000123", extension=[nationality]))
    certificate = await issued(client, id)
    said = text_of(await fetched(client, certificate["identifier"]))
    standing = f"{str(client.base_url).rstrip('/')}/certificates/{certificate['identifier']}/status"
    assert standing in said.replace("\r", "").replace("\n", "")  # whole: it is typed from the paper
    for expected in (
        "CHỨNG NHẬN TIÊM CHỦNG",
        "Họ và tên / Full name",
        "Đỗ Thị Ngọc Bích",
        "Ngày tháng năm sinh",
        "1988-02-29",
        "Quốc tịch / Nationality",
        "Việt Nam",
        "Bệnh dịch mà chứng nhận nhắm tới",
        "COVID-19",
        "Số mũi tiêm đã nhận",
        "Ngày tiêm",
        "2021-09-11",
        "Liều số",
        "2/2",
        "Vắc xin / Vaccine",
        "Comirnaty",
        "Nhà cung cấp hoặc sản xuất",
        "Biontech",
        certificate["identifier"],
    ):
        assert expected in said, expected


@pytest.mark.parametrize("format", ["hc1", "shc", "vds-nc"])
async def test_the_code_on_the_page_reads_back(client: httpx.AsyncClient, format: str) -> None:
    id = await travelled(client)
    answer = await issue(client, id, format=format)
    rows = {row["name"]: next(row[key] for key in row if key != "name") for row in answer.json()["parameter"]}
    [read] = reading.certificates(await fetched(client, rows["identifier"]))
    said = (await client.post("/certificates/verify", json={"certificate": read})).json()
    assert said["valid"] is True, said


async def test_the_page_is_signed_and_a_change_is_noticed(client: httpx.AsyncClient, keys: Path) -> None:
    id, _ = await vaccinated(client)
    document = await fetched(client, (await issued(client, id))["identifier"])
    _, _, root = pem.unarmor((keys / "csca.cert.pem").read_bytes())
    trusted = ValidationContext(trust_roots=[x509.Certificate.load(root)])
    [signature] = PdfFileReader(BytesIO(document)).embedded_signatures
    status = await async_validate_pdf_signature(signature, trusted)
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    root = PdfFileReader(BytesIO(document)).root
    assert (bool(root["/MarkInfo"]["/Marked"]), root["/StructTreeRoot"]["/K"]["/S"]) == (True, "/Document")
    altered = bytearray(document)
    altered[document.index(b"/MediaBox") + 14] ^= 1
    [signature] = PdfFileReader(BytesIO(bytes(altered))).embedded_signatures
    assert not (await async_validate_pdf_signature(signature, trusted)).intact


async def test_a_certificate_that_lost_its_validity_is_not_printed(client: httpx.AsyncClient) -> None:
    id, _ = await vaccinated(client)
    identifier = (await issued(client, id))["identifier"]
    changed = person(id, "001188000124", birthDate="1988-03-01")
    assert (await client.put(f"/fhir/Patient/{id}", json=changed)).status_code == 200
    answer = await client.get(f"/certificates/{identifier}.pdf")
    assert (answer.status_code, answer.json()["resourceType"]) == (410, "OperationOutcome")


async def test_an_unknown_certificate_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/certificates/URN:UVCI:01:VN:0.pdf")).status_code == 404
