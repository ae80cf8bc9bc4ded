"""The card in a real browser: fits a phone, is silent on the console, asks nobody anything."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journal import Log
from replay import card
from replay.cards import Card

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """Headless Chromium over its DevTools pipe: JSON messages that end in a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()

        def wire() -> None:
            high = [os.dup(fd) for fd in (theirs_in, theirs_out)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}"],
            preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.into = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self.buffer, self.count = b"", 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session: str | None = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    session: str | None = None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command's result; what happens meanwhile is kept in `events`."""
        self.count += 1
        asked = {"id": self.count, "method": method, "params": params}
        if self.session is not None:
            asked["sessionId"] = self.session
        self.out.write(json.dumps(asked).encode() + b"\0")
        self.out.flush()
        while True:
            said = self._next()
            if said.get("id") == self.count:
                assert "error" not in said, said
                return dict(said["result"])
            self.events.append(said)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            more = os.read(self.into.fileno(), 1 << 16)
            assert more, "the browser has ended"
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b"\0")
        return dict(json.loads(text))

    def open(self, page: Path, width: int, dark: bool = False) -> None:
        """Shows a file in a viewport of that width."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def close(self) -> None:
        """Ends it, with the processes that it started."""
        self.out.close()
        self.into.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser found: one of {', '.join(NAMES)}")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def made(log: Log) -> Card:
    long = "linucb:alpha=1.0,epsilon=0.2,lambda=1.0,arm=own,seed=12345678901234567"
    return card(log, long, champion="random", learn="logged", reference_log=log)


@pytest.fixture(scope="module")
def page(made: Card, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.report(tmp_path_factory.mktemp("card")) / "card.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_is_silent_and_self_contained(
    browser: Browser, page: Path, width: int
) -> None:
    browser.open(page, width)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("window.innerWidth") == width
    wide = "[...document.querySelectorAll('main *, header *')].filter(e => "
    wide += f"e.getBoundingClientRect().right > {width + 1}).map(e => e.outerHTML.slice(0, 80))"
    assert browser.ask(wide) == []
    methods = [e.get("method") for e in browser.events]
    assert "Runtime.exceptionThrown" not in methods
    assert "Runtime.consoleAPICalled" not in methods
    assert "Log.entryAdded" not in methods
    asked = [
        e["params"]["request"]["url"]
        for e in browser.events
        if e.get("method") == "Network.requestWillBeSent"
    ]
    assert page.as_uri() in asked
    assert [url for url in asked if not url.startswith(("data:", page.as_uri()))] == []


def test_the_summary_is_the_first_screen(browser: Browser, page: Path) -> None:
    """Headline and figures stand above the fold, the first section is below them."""
    browser.open(page, 1280)
    bottom = "document.querySelector('.tiles').getBoundingClientRect().bottom"
    assert browser.ask(bottom) < 844
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    assert browser.ask("[...document.images].every(i => i.alt.length > 20)")


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(browser: Browser, page: Path, dark: bool) -> None:
    """WCAG AA, 4.5 to 1, of every text's colour on the ground that lies behind it."""
    browser.open(page, 1280, dark)
    least = browser.ask(CONTRAST)
    assert least >= 4.5


CONTRAST = """
(() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(
    v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!c.endsWith(', 0)') && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
  let least = 21;
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return least;
})()
"""
