"""Headless Chromium, driven through the WebDriver protocol with the standard library."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import Request, urlopen

import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of an element reference
_TIMEOUT = 30.0
Answer = Any
"""Any JSON value."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--window-size=1200,900",
)


class Browser:
    """A browser window.

    Args:
        session: address of the WebDriver session.
    """

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, path: Path) -> None:
        """Load a file."""
        self.visit(path.resolve().as_uri())

    def visit(self, url: str) -> None:
        """Load an address."""
        _call("POST", f"{self._session}/url", {"url": url})

    def emulate_phone(self, width: int) -> None:
        """Emulate a phone of this width in pixels; windows cannot be as narrow."""
        size = {"width": width, "height": 2 * width, "deviceScaleFactor": 1, "mobile": True}
        body = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        _call("POST", f"{self._session}/goog/cdp/execute", body)

    def run(self, script: str, *arguments: object) -> Answer:
        """Run the body of a function in the page and return its result."""
        body = {"script": script, "args": arguments}
        return _call("POST", f"{self._session}/execute/sync", body)

    def click(self, selector: str) -> None:
        """Click on the only element that matches a CSS selector."""
        element = self._find(selector)
        _call("POST", f"{self._session}/element/{element}/click", {})

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in the only file field that matches a CSS selector."""
        element = self._find(selector)
        body = {"text": str(path.resolve())}
        _call("POST", f"{self._session}/element/{element}/value", body)

    def press(self, selector: str, key: str) -> None:
        """Press a key with the focus on an element; fails if the element cannot have the focus."""
        element = self._find(selector)
        _call("POST", f"{self._session}/element/{element}/value", {"text": key})

    def wait_for(self, script: str) -> None:
        """Wait until the body of a function returns a true value in the page."""
        end = monotonic() + _TIMEOUT
        while not self.run(script):
            assert monotonic() < end, f"timed out: {script}"
            sleep(0.05)

    def console_messages(self) -> list[str]:
        """Return warnings and errors on the console since the last call."""
        entries = _call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def _find(self, selector: str) -> str:
        found = _call(
            "POST", f"{self._session}/elements", {"using": "css selector", "value": selector}
        )
        assert len(found) == 1, f"{selector}: {len(found)} elements"
        reference: str = found[0][_ELEMENT]
        return reference


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Open a browser; skip the test if Chromium or its driver is missing.

    Args:
        profile: an empty folder for the browser profile.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{_port(process)}/session"
            flags = [*_FLAGS, f"--user-data-dir={profile}"]
            capabilities = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": chromium, "args": flags},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            opened = _call("POST", address, {"capabilities": {"alwaysMatch": capabilities}})
            session = f"{address}/{opened['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _call("DELETE", session)
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("chromedriver did not start")


def _call(method: str, address: str, body: dict[str, Any] | None = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=2 * _TIMEOUT) as answer:
        return json.load(answer)["value"]
