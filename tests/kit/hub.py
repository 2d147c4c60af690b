"""A model hub on loopback: repositories, and commits of whole files, as `huggingface_hub` uploads them.

    with Hub() as hub:
        push(folder, "me/model", ...)
        hub.files["me/model"]["README.md"]

`fails` maps a part of a path to the status with which every request to such a path is refused.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """A hub that runs from its construction to `close`."""

    def __init__(self, fails: Mapping[str, int] | None = None) -> None:
        self.fails = dict(fails or {})
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, dict[str, bytes]] = {}
        self.cards: list[str] = []
        """The cards whose metadata the library asked to check."""
        self.tokens: set[str] = set()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server."""
        self.http.shutdown()
        self.http.server_close()

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """Returns status and JSON of the answer to a POST request."""
        for part, status in self.fails.items():
            if part in path:
                return status, {"error": "no"}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            self.cards.append(json.loads(body)["content"])
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            return 200, {"files": modes}
        if "/commit/" in path:
            return self._commit("/".join(path.split("/")[3:5]), body)
        return 404, {"error": f"no {path}"}

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        self.created.append(asked)
        owner = asked.get("organization")
        name = f"{owner}/{asked['name']}" if owner else asked["name"]
        self.files.setdefault(name, {})
        prefix = "datasets/" if asked.get("type") == "dataset" else ""
        return 200, {"url": f"{self.url}/{prefix}{name}", "id": name}

    def _commit(self, name: str, body: bytes) -> tuple[int, Any]:
        for line in body.decode().splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                value = entry["value"]
                self.files[name][value["path"]] = base64.b64decode(value["content"])
        sha = "0" * 40
        return 200, {"commitUrl": f"{self.url}/{name}/commit/{sha}", "commitOid": sha, "success": True}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.tokens.add(self.headers.get("authorization", ""))
                self._send(*outer.answer(self.path, self._body()))

            def do_GET(self) -> None:
                self._send(404, {"error": "no"})

            def do_HEAD(self) -> None:
                self._send(404, {})

            def _body(self) -> bytes:
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _send(self, status: int, content: Any) -> None:
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
