"""The verifier page in Chromium: what it weighs, and how long it takes to the first verdict. Needs chromium and npm."""

import asyncio
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import BrowserContext, async_playwright

from fhir_server.web import verifier
from scripts.bench.certificates import PAYLOAD
from scripts.bench.serving import mongod, serving, tell
from signing import development, hc1, keystore, qr

ROUNDS = 5


def run() -> None:
    """Print a table: network or none, the milliseconds from opening the page and from choosing the picture."""
    chromium = shutil.which("chromium")
    if chromium is None or "vendor/reader/index.js" not in verifier.page():
        tell("Chromium or the QR decoder (make verifier) is not here: not measured.")
        return
    files = verifier.page().values()
    tell(f"Page: {sum(len(file.content) for file in files) / 1e3:,.0f} kB in {len(files)} files, ")
    tell(f"{sum(len(file.packed) for file in files) / 1e3:,.0f} kB as they travel.")
    with tempfile.TemporaryDirectory() as folder, mongod() as uri:
        keys = Path(folder) / "keys"
        now = datetime.now(UTC)
        development.generate(keys, now - timedelta(days=1))
        code = qr.png(hc1.issue(PAYLOAD, keystore.load(keys).signer(now), now).text)
        with serving(uri, FHIR_KEYS=str(keys)) as served:
            asyncio.run(_measure(chromium, f"http://127.0.0.1:{served.port}/verify/", code))


async def _measure(chromium: str, address: str, code: bytes) -> None:
    tell()
    tell("| Chromium, headless | page ready, ms | picture to verdict, ms |")
    tell("|---|---|---|")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        first = [await _visit(await browser.new_context(), address, code) for _ in range(ROUNDS)]
        _row("first visit", first)
        context = await browser.new_context()
        await _visit(context, address, code)
        await context.pages[0].evaluate("navigator.serviceWorker.ready")
        await context.set_offline(True)
        _row("again, without a network", [await _visit(context, address, code) for _ in range(ROUNDS)])
        await browser.close()


async def _visit(context: BrowserContext, address: str, code: bytes) -> tuple[float, float]:
    page = await context.new_page()
    started = time.perf_counter()
    await page.goto(address)
    await page.locator("html[data-ready]").wait_for(state="attached")
    ready = time.perf_counter()
    picture = {"name": "code.png", "mimeType": "image/png", "buffer": code}
    await page.locator("#picture").set_input_files([picture])  # type: ignore[list-item]
    await page.locator("#result.valid").wait_for()
    return (ready - started) * 1000, (time.perf_counter() - ready) * 1000


def _row(name: str, times: list[tuple[float, float]]) -> None:
    ready, verdict = (sorted(column)[len(column) // 2] for column in zip(*times, strict=True))
    tell(f"| {name} | {ready:.0f} | {verdict:.0f} |")
