"""The web server of the page."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from cpabmm_core.errors import ConfigError, CpabmmError

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Server

    from cpabmm_cli.web.studio import Studio

_NEEDS_GRADIO = "the page needs Gradio; install it with: pip install 'cpabmm[app]'"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PATIENCE = 1
"""Seconds to wait for answers that are under way when the server ends."""


def require_gradio() -> None:
    """Check that Gradio is installed.

    Raises:
        ConfigError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise ConfigError(_NEEDS_GRADIO)


@contextmanager
def open_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address; with port 0, on any free port.

    Raises:
        CpabmmError: the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CpabmmError(f"{host}: is no address of this machine ({error.strerror})") from None
    with listener:
        if os.name == "posix":  # elsewhere, the option would share the port with other programs
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise CpabmmError(
                f"{host}:{port}: cannot be used ({error.strerror}); choose another port"
            ) from None
        listener.listen()
        yield listener


@contextmanager
def private_folder() -> Iterator[Path]:
    """Provide a folder for the files of the page, which is deleted at the end.

    Gradio keeps its files there as well. Its settings in the environment have no effect, because
    some of them publish the page, or files of this machine.
    """
    before = {name: text for name, text in os.environ.items() if name.startswith("GRADIO_")}
    for name in before:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="cpabmm-app-", ignore_cleanup_errors=True) as folder:
        ours = {
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_EXAMPLES_CACHE": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        os.environ.update(ours)
        try:
            yield Path(folder).resolve()
        finally:
            for name in ours:
                del os.environ[name]
            os.environ.update(before)


def page_app(studio: "Studio", model: str, *, is_local: bool) -> "ASGIApp":
    """Return the page as a web application.

    Args:
        studio: does what the page asks for.
        model: a line about the model and the device.
        is_local: whether only programs on this machine can reach the server.
    """
    import gradio as gr
    from fastapi import FastAPI

    from cpabmm_cli.web.guard import MAX_UPLOAD, Guard
    from cpabmm_cli.web.page import build_page
    from cpabmm_cli.web.theme import page_theme

    page = build_page(studio, model)
    page.has_launched = True  # from now on, Gradio opens no files but uploads
    web = Path(str(files("cpabmm_cli.web")))
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        footer_links=[],
        run_history=False,
        favicon_path=str(web / "favicon.svg"),
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=page_theme(),
        css=(web / "style.css").read_text(encoding="utf-8"),
    )
    return Guard(app, _LOCAL_NAMES if is_local else None)


def web_server(
    app: "ASGIApp", *, on_start: Callable[[], None], on_stop: Callable[[], None]
) -> "Server":
    """Return a server. Its `run` ends when a signal arrives, which then has its usual effect.

    Args:
        app: the application to serve.
        on_start: called when the server is ready.
        on_stop: called when it ends, before it waits for answers that are under way.
    """
    import uvicorn

    class AnnouncedServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            on_stop()
            await super().shutdown(sockets)

    return AnnouncedServer(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_PATIENCE,
        )
    )


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only programs on this machine can connect."""
    return ip_address(listener.getsockname()[0]).is_loopback


def address_of(listener: socket.socket) -> str:
    """Return the address to open in a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
