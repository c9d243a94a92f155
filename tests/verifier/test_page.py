"""The verifier page in a real Chromium: pictures, the camera, no network, forged, expired and revoked certificates."""

import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import compress

import httpx
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from fhir_server.web import verifier
from signing import base45, development, hc1, keystore, qr
from signing.algorithms import ES256
from signing.deflate import inflate
from signing.keys import SigningKey
from signing.trust import TrustList
from tests.http.persons import covid, person
from tests.http.serving import serving
from tests.signing.countries import EMAIL, Country

CHROMIUM = shutil.which("chromium")
BUILT = "vendor/reader/index.js" in verifier.page()
PERSON: dict[str, Any] = {
    "ver": "1.3.0",
    "nam": {"fn": "Trần", "gn": "Thị Bích Hằng", "fnt": "TRAN", "gnt": "THI<BICH<HANG"},
    "dob": "1988-04-02",
    "v": [
        {
            "tg": "840539006",
            "vp": "1119349007",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": 3,
            "sd": 3,
            "dt": "2022-01-15",
            "co": "VN",
            "is": "Bộ Y tế",
            "ci": "URN:UVCI:01:VN:0123456789ABCDEF0123456789ABCDEF",
        }
    ],
}

ABROAD = Country(
    datetime.now(UTC), "RSA"
)  # authorities that the lists name; whom they issued certificates, they do not
OLD = Country(datetime.now(UTC), named="Old CSCA", days=(-300, -1))
SEALED = {"uvci": "UT0123", "pid": {"n": "TRAN THI BICH", "dob": "1988-04-02"}, "ve": [{"dis": "RA01.0", "vd": []}]}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here"),
    pytest.mark.skipif(not BUILT, reason="the QR decoder is not built: make verifier needs npm"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server's signing keys."""
    made = tmp_path_factory.mktemp("signer") / "keys"
    development.generate(made, datetime.now(UTC) - timedelta(days=400))
    return made


def signer(folder: Path) -> SigningKey:
    return keystore.load(folder).signer(datetime.now(UTC), ES256)


@pytest.fixture(scope="module")
def certificate(folder: Path) -> str:
    return hc1.issue(PERSON, signer(folder), datetime.now(UTC)).text


@pytest.fixture(scope="module")
async def server(
    mongodb_uri: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    trust = tmp_path_factory.mktemp("trust") / "countries.json"
    rows = [ABROAD.authority(), OLD.authority()]
    trust.write_text(TrustList((), authorities=rows).json)
    async with serving(mongodb_uri, f"page_{uuid.uuid4().hex[:12]}", keys=folder, trust=trust) as client:
        yield client


@pytest.fixture(scope="module")
async def browser(certificate: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A Chromium whose camera looks at `certificate`."""
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    frame = Image.new("RGB", (1280, 720), "white")
    code = Image.open(BytesIO(qr.png(certificate))).convert("RGB")
    code = code.resize((680, 680), Image.Resampling.NEAREST)
    frame.paste(code, (300, 20))
    shot = BytesIO()
    frame.save(shot, "JPEG", quality=90)
    film.write_bytes(shot.getvalue() * 10)
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    camera.append(f"--use-file-for-fake-video-capture={film}")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        yield chromium
        await chromium.close()


@pytest.fixture
async def page(browser: Browser, server: httpx.AsyncClient) -> AsyncIterator[Page]:
    """The page as a person sees it who opened it with a network; it may load nothing from elsewhere."""
    context = await browser.new_context(locale="vi-VN", permissions=["camera"])
    opened = await context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: wrong.append(request.url) if str(server.base_url) not in request.url else None)
    await opened.goto(f"{str(server.base_url).rstrip('/')}/verify/")
    await expect(opened.locator("html[data-ready]")).to_be_attached()
    yield opened
    await context.close()
    assert [each for each in wrong if not each.startswith("blob:")] == []


async def paste(page: Page, text: str) -> None:
    await page.locator("#text").fill(text)
    await page.locator("#typed button").click()


async def choose(page: Page, content: bytes, name: str = "code.png", type: str = "image/png") -> None:
    await page.locator("#picture").set_input_files({"name": name, "mimeType": type, "buffer": content})


async def test_a_picture_of_a_good_certificate_is_valid(page: Page, certificate: str) -> None:
    await choose(page, qr.png(certificate))
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ")
    await expect(page.locator("#content")).to_contain_text("Trần Thị Bích Hằng")
    await expect(page.locator("#content")).to_contain_text("1988-04-02")
    await expect(page.locator("#content")).to_contain_text("Comirnaty")
    await expect(page.locator("#ask")).to_be_hidden()
    await page.locator("#language").click()
    await expect(page.locator("#verdict")).to_have_text("VALID")
    await expect(page.locator('[data-stage="revocation"]')).to_have_attribute("data-code", "ok")


async def test_the_camera_sees_the_code(page: Page) -> None:
    await page.locator("#scan").click()
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ", timeout=20_000)


async def test_it_works_without_a_network(page: Page, certificate: str) -> None:
    await page.evaluate("navigator.serviceWorker.ready")
    await page.context.set_offline(True)
    await page.reload()
    await expect(page.locator("html[data-ready]")).to_be_attached()
    await expect(page.locator("#lists")).to_contain_text("khóa")
    await choose(page, qr.png(certificate))
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ")


async def test_an_altered_certificate_is_not_valid(page: Page, certificate: str) -> None:
    message = bytearray(inflate(base45.decode(certificate[4:])))
    place = message.index(b"Tr\xe1\xba\xa7n")
    message[place : place + 2] = b"Ar"
    await paste(page, hc1.PREFIX + base45.encode(compress(bytes(message), 9)))
    await expect(page.locator("#verdict")).to_have_text("KHÔNG HỢP LỆ")
    await expect(page.locator("#reason")).to_contain_text("Chữ ký sai")
    await expect(page.locator("#content")).to_contain_text("chưa được xác thực")


async def test_an_expired_certificate_is_not_valid(page: Page, folder: Path) -> None:
    key = signer(folder)
    await paste(page, hc1.issue(PERSON, key, datetime.now(UTC) - timedelta(days=399)).text)
    await expect(page.locator("#verdict")).to_have_text("KHÔNG HỢP LỆ")
    await expect(page.locator("#reason")).to_contain_text("hết hạn")


async def test_a_certificate_of_an_unknown_signer_is_not_valid(page: Page, tmp_path: Path) -> None:
    stranger = development.generate(tmp_path / "keys", datetime.now(UTC) - timedelta(days=1))
    await paste(page, hc1.issue(PERSON, stranger, datetime.now(UTC)).text)
    await expect(page.locator("#reason")).to_contain_text("không có trong danh sách tin cậy")


async def test_a_revoked_certificate_is_not_valid_once_the_lists_are_renewed(
    page: Page, server: httpx.AsyncClient
) -> None:
    for kind, resource in (
        ("Patient", person("bich", "001188000002")),
        ("Immunization", covid("bich", "2021-09-04", 1)),
    ):
        stored = await server.put(f"/fhir/{kind}/bich", json={**resource, "id": "bich"})
        assert stored.status_code == 201, stored.text
    issued = (await server.post("/fhir/Patient/bich/$issue-certificate")).json()
    said = {row["name"]: next(row[name] for name in row if name != "name") for row in issued["parameter"]}
    await paste(page, said["content"])
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ")
    wanted = [{"name": "certificate", "valueUri": said["identifier"]}, {"name": "reason", "valueCode": "fraud"}]
    revoked = await server.post("/fhir/$revoke-certificates", json={"resourceType": "Parameters", "parameter": wanted})
    assert revoked.status_code == 200, revoked.text
    await page.reload()
    await expect(page.locator("html[data-ready]")).to_be_attached()
    await paste(page, said["content"])
    await expect(page.locator("#verdict")).to_have_text("KHÔNG HỢP LỆ")
    await expect(page.locator("#reason")).to_contain_text("thu hồi")


async def test_a_seal_of_whom_a_listed_authority_vouches_for_is_valid_without_a_network(page: Page) -> None:
    await page.evaluate("navigator.serviceWorker.ready")
    await page.context.set_offline(True)
    await page.reload()
    await expect(page.locator("html[data-ready]")).to_be_attached()
    await choose(page, qr.png(ABROAD.signer().seal(SEALED)))
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ")
    await expect(page.locator("#content")).to_contain_text("TRAN THI BICH")
    await expect(page.locator("#content")).to_contain_text("Khóa ký củaUT")  # who signed, not who it says it is


@pytest.mark.parametrize(
    ("seal", "stage", "code", "says"),
    [
        (lambda: ABROAD.signer().seal(SEALED).replace("BICH", "HANG"), "signature", "bad-signature", "Chữ ký sai"),
        (lambda: ABROAD.signer(days=(-9, -1)).seal(SEALED), "signer-validity", "signer-expired", "đã hết hạn"),
        (lambda: OLD.signer().seal(SEALED), "signer-validity", "signer-expired", "đã hết hạn"),
        (lambda: Country(datetime.now(UTC)).signer().seal(SEALED), "key", "unknown-signer", "danh sách tin cậy"),
        (lambda: ABROAD.signer([EMAIL]).seal(SEALED), "key-usage", "wrong-key-usage", "không được ký loại này"),
    ],
    ids=["altered", "expired signer", "expired authority", "wrong authority", "wrong key usage"],
)
async def test_a_seal_that_is_not_valid_is_refused_for_the_right_reason(
    page: Page, seal: Callable[[], str], stage: str, code: str, says: str
) -> None:
    await paste(page, seal())
    await expect(page.locator("#verdict")).to_have_text("KHÔNG HỢP LỆ")
    await expect(page.locator(f'[data-stage="{stage}"]')).to_have_attribute("data-code", code)
    await expect(page.locator("#reason")).to_contain_text(says)


async def test_bytes_after_the_certificate_are_refused(page: Page, certificate: str) -> None:
    await paste(page, hc1.PREFIX + base45.encode(base45.decode(certificate[4:]) + b"x"))
    await expect(page.locator('[data-stage="inflate"]')).to_have_attribute("data-code", "not-zlib")


@pytest.mark.parametrize(
    ("content", "type", "says"),
    [
        (b"", "image/png", "không phải là ảnh"),
        (b"no picture", "image/jpeg", "không phải là ảnh"),
        (b"xin chao", "text/plain", None),
    ],
    ids=["empty", "no-picture", "words"],
)
async def test_what_is_no_certificate_is_told(page: Page, content: bytes, type: str, says: str | None) -> None:
    await choose(page, content, "file.txt", type)
    if says:
        await expect(page.locator("#problem")).to_contain_text(says)
    else:
        await expect(page.locator("#reason")).to_contain_text("không phải mã chứng nhận")


async def test_a_picture_without_a_code_is_told(page: Page) -> None:
    blank = BytesIO()
    Image.new("RGB", (600, 400), "white").save(blank, "PNG")
    await choose(page, blank.getvalue())
    await expect(page.locator("#problem")).to_contain_text("Không tìm thấy mã QR")


async def test_another_certificate_can_follow(page: Page, certificate: str) -> None:
    await paste(page, certificate)
    await page.locator("#again").click()
    await expect(page.locator("#result")).to_be_hidden()
    await paste(page, certificate + "\n")
    await expect(page.locator("#verdict")).to_have_text("HỢP LỆ")


async def test_the_page_may_load_nothing_from_elsewhere(server: httpx.AsyncClient) -> None:
    answer = await server.get("/verify/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    again = await server.get("/verify/", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await server.get("/verify/../settings.py")).status_code == 404
    assert (await server.get("/verify/%2e%2e/__init__.py")).status_code == 404
