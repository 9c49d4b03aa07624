"""A local web server for tests of downloads."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer(ThreadingHTTPServer):
    """Serves `content` at every path, except that paths with ``gone`` are 404.

    The last half of the content is missing at paths with ``cut``. All headers are those of a
    Hugging Face repository.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.states_size = True
        self.requests = 0

    @property
    def url(self) -> str:
        """Address of the server, without a path."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        server = self.server
        assert isinstance(server, WebServer)
        server.requests += 1
        if "gone" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        if server.states_size:
            self.send_header("Content-Length", str(len(server.content)))
        self.send_header("ETag", f'"{hashlib.sha256(server.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        server = self.server
        assert isinstance(server, WebServer)
        if "gone" not in self.path:
            half = len(server.content) // 2
            self.wfile.write(server.content[:half] if "cut" in self.path else server.content)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve(content: bytes) -> Iterator[WebServer]:
    """Run a server while the context lasts."""
    with WebServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
