"""``cpabmm app`` as a command: what it refuses, and how it ends."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from _helpers.command_line import assert_fails

ROOT = Path(__file__).parents[2]


def test_without_gradio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else found(name)
    )
    assert_fails(4, "app", words="pip install 'cpabmm[app]'")


def test_a_used_port_is_named() -> None:
    pytest.importorskip("gradio")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_fails(1, "app", "--port", port, words=f"127.0.0.1:{port}: cannot be used")


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_a_foreign_address_is_named(host: str) -> None:
    pytest.importorskip("gradio")
    assert_fails(1, "app", "--host", host, "--port", "0", words=host)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_server_without_leaving_files(
    tmp_path: Path, number: signal.Signals
) -> None:
    pytest.importorskip("gradio")
    folders = [tmp_path / name for name in ("work", "temporary", "home")]
    for folder in folders:
        folder.mkdir()
    work, temporary, home = folders
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "HOME": str(home),
        "GRADIO_SHARE": "True",  # has no effect
        "GRADIO_ALLOWED_PATHS": "/etc",  # nor has this
    }
    with subprocess.Popen(
        [sys.executable, "-m", "cpabmm_cli", "app", "--port", "0"],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert requests.get(address, timeout=30).status_code == 200
        assert requests.get(f"{address}/gradio_api/file=/etc/hosts", timeout=30).status_code == 403
        assert list(temporary.iterdir())
        open_page = requests.get(f"{address}/gradio_api/heartbeat/a", stream=True, timeout=30)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        open_page.close()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert stdout == ""
    assert "Traceback" not in stderr
    for folder in folders:
        assert not [path for path in folder.rglob("*") if path.is_file()], folder
