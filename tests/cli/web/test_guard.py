"""The filter in front of the page: what a request may ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("starlette.testclient")

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from cpabmm_cli.web.guard import MAX_UPLOAD, Guard

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@pytest.fixture
def client() -> TestClient:
    return TestClient(Guard(PlainTextResponse("page"), LOCAL), "http://127.0.0.1:7860")


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/assets/index.js", "/theme.css?v=1", "/gradio_api/heartbeat/a1-b2"],
)
def test_the_page_is_passed_on(client: TestClient, path: str) -> None:
    assert client.get(path).text == "page"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file=https://example.org/a.png",
        "/gradio_api/proxy=http://example.org/a.png",
        "/gradio_api/deep_link",
        "/gradio_api/component_server",
        "/gradio_api/vibe-code/",
        "/gradio_api/runs",
        "/monitoring",
        "/docs",
        "/openapi.json",
    ],
)
def test_everything_that_the_page_does_not_need_is_missing(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"])
def test_names_of_this_machine_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "example.org"},  # a name that an attacker resolves to this machine
        {"host": "localhost.example.org:7860"},
        {"host": ""},
        {"origin": "http://example.org"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
    ],
)
def test_requests_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/", headers=headers).status_code == 403
    answer = client.post("/gradio_api/queue/join", headers=headers, json={})
    assert answer.status_code == 403


def test_a_page_for_others_has_any_name() -> None:
    client = TestClient(Guard(PlainTextResponse("page"), None), "http://studio.example")
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"origin": "http://other.example"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/gradio_api/upload", MAX_UPLOAD, 200),
        ("/gradio_api/upload", 2 * MAX_UPLOAD, 413),
        ("/gradio_api/queue/join", 1000, 200),
        ("/gradio_api/queue/join", MAX_UPLOAD, 413),
        ("/gradio_api/upload", -1, 411),
    ],
)
def test_sizes_are_limited(client: TestClient, path: str, length: int, status: int) -> None:
    answer = client.post(path, headers={"content-length": str(length)})
    assert answer.status_code == status


def test_a_body_without_a_length_is_refused(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"{}"

    assert client.post("/gradio_api/queue/join", content=pieces()).status_code == 411


@pytest.mark.parametrize("path", ["/", "/missing"])
def test_the_browser_may_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    policy = client.get(path).headers["content-security-policy"]
    rules: dict[str, Any] = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules.pop("default-src") == "'self'"
    for sources in rules.values():
        assert set(sources.split()) <= {
            *("'self'", "'none'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'")
        }
