"""The page of ``cpabmm app``, served in this process by a tiny model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from _helpers.tiny_model import tiny_model

from cpabmm_cli.web.server import address_of, open_socket, page_app, private_folder, web_server
from cpabmm_core.inference import InferenceModel

if TYPE_CHECKING:
    from cpabmm_cli.web.studio import Studio

_TIMEOUT = 60.0


@dataclass(frozen=True)
class Page:
    """A page that is served.

    Attributes:
        url: its address, without a path.
        studio: does its work.
    """

    url: str
    studio: "Studio"


@contextmanager
def serve_page() -> Iterator[Page]:
    """Serve the page while the context lasts; skip the test without Gradio."""
    pytest.importorskip("gradio")
    from cpabmm_cli.web.studio import Studio

    ready = threading.Event()
    with open_socket("127.0.0.1", 0) as listener, private_folder() as folder:
        studio = Studio(InferenceModel(tiny_model()), folder)
        app = page_app(studio, "Model tiny", is_local=True)
        server = web_server(app, on_start=ready.set, on_stop=studio.close)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(_TIMEOUT)
            yield Page(address_of(listener), studio)
        finally:
            server.should_exit = True
            thread.join()
