"""A filter in front of the page: what a request may ask for, and what the browser may load."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_UPLOAD = 256 * 2**20
"""Largest upload in bytes."""
_MAX_BODY = 2**20
"""Largest body of any other request."""
_ENVELOPE = 2**16
"""Room for the form around an uploaded file."""
_API = "/gradio_api"
_UPLOAD = f"{_API}/upload"
_PATHS = re.compile(
    r"/|/(theme\.css|favicon\.ico|manifest\.json|pwa_icon|config)"
    r"|/(static|assets)/.*"
    rf"|{_API}/(info|run/predict|upload|upload_progress|queue/join|queue/data|cancel|heartbeat/[\w-]+)"
    rf"|{_API}/file=(?!https?:).*"
)
"""What the page and `gradio_client` need. Gradio serves more, such as a proxy to other sites."""
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio starts from inline scripts
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses requests that do not come from the page, and keeps the page on this server.

    Other sites that are open in the same browser could send requests to a local server. They
    cannot forge the headers ``Host`` and ``Origin``.

    Args:
        app: the application to protect.
        hosts: names under which the server may be addressed; None allows all.
    """

    def __init__(self, app: "ASGIApp", hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                added = [(key.lower().encode(), text.encode()) for key, text in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        from starlette.responses import PlainTextResponse

        status, reason = refusal
        await PlainTextResponse(reason, status)(scope, receive, send_with_headers)

    def _refusal(self, scope: "Scope") -> tuple[int, str] | None:
        """Return the status and the reason if a request is refused."""
        headers = {key.decode("latin-1"): text.decode("latin-1") for key, text in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._hosts is not None and _name(host) not in self._hosts:
            return 403, "This server has another name."
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "Requests from other sites are refused."
        if not _PATHS.fullmatch(scope["path"]):
            return 404, "Not found."
        if scope["method"] in ("GET", "HEAD"):
            return None
        limit = MAX_UPLOAD + _ENVELOPE if scope["path"] == _UPLOAD else _MAX_BODY
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, "The length of the request is missing."
        return (413, f"A file may have {MAX_UPLOAD // 2**20} MB.") if int(length) > limit else None


def _name(host: str) -> str:
    """Return a host without its port."""
    return re.sub(r":\d+$", "", host).strip("[]").lower()
