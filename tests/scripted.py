"""A fake vLLM server on a free port with scripted replies."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Post = Callable[["Request", dict[str, Any], int], None]
"""Answers a request: how to reply, the body, and which request of this server it is."""


class Request(BaseHTTPRequestHandler):
    """One request; ``post`` and ``listed`` are its server's."""

    protocol_version = "HTTP/1.1"
    listener: "Listener"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number = self.listener.count(body)
        self.listener.post(self, body, number)

    def do_GET(self) -> None:
        self.send({"data": [self.listener.model], "version": "0.32.0+cpu"})

    def send(self, found: Any, status: int = 200) -> None:
        """Reply with JSON, or with bytes as they are."""
        text = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


class Listener:
    """A server with one model; keeps the bodies of all requests."""

    def __init__(self, post: Post, **model: Any) -> None:
        self.post = post
        self.model: dict[str, Any] = model
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        handler = type("Handler", (Request,), {"listener": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def count(self, body: dict[str, Any]) -> int:
        """Keep a body; return how many there are."""
        with self._lock:
            self.requests.append(body)
            return len(self.requests)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
