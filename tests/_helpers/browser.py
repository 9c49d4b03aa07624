"""A page in headless Chromium, driven by WebDriver's own protocol with the standard library."""

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

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of a reference to an element
_PATIENCE = 30.0
Answer = Any
"""Whatever JSON can hold."""
_SWITCHES = (
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
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, path: Path) -> None:
        """Load a file and wait for it."""
        _call("POST", f"{self._session}/url", {"url": path.resolve().as_uri()})

    def narrow(self, width: int) -> None:
        """Show pages as on a telephone of that many pixels, less than a window can have."""
        size = {"width": width, "height": 2 * width, "deviceScaleFactor": 1, "mobile": True}
        body = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        _call("POST", f"{self._session}/goog/cdp/execute", body)

    def run(self, script: str, *arguments: object) -> Answer:
        """What the body of a function returns in the page."""
        body = {"script": script, "args": arguments}
        return _call("POST", f"{self._session}/execute/sync", body)

    def click(self, selector: str) -> None:
        """Click on the one element of a CSS selector as a person does."""
        element = self._find(selector)
        _call("POST", f"{self._session}/element/{element}/click", {})

    def press(self, selector: str, key: str) -> None:
        """Press a key while the element has the focus; fails where it cannot have it."""
        element = self._find(selector)
        _call("POST", f"{self._session}/element/{element}/value", {"text": key})

    def wait_for(self, script: str) -> None:
        """Wait until the body of a function returns something true in the page."""
        end = monotonic() + _PATIENCE
        while not self.run(script):
            assert monotonic() < end, f"never became true: {script}"
            sleep(0.05)

    def complaints(self) -> list[str]:
        """Warnings and errors on the console since the last call."""
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
    """A browser for as long as the context lasts; the test is skipped where there is none.

    Args:
        profile: an empty folder for what the browser keeps.
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
            switches = [*_SWITCHES, f"--user-data-dir={profile}"]
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": chromium, "args": switches},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            opened = _call("POST", address, {"capabilities": {"alwaysMatch": wanted}})
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
    with urlopen(request, timeout=2 * _PATIENCE) as answer:
        return json.load(answer)["value"]
