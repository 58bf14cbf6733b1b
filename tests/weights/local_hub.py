"""A Hub on this machine: the endpoints that the real client calls for a snapshot, and faults on request."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


@dataclass
class Hub:
    """What the server has and what goes wrong.

    Attributes:
        files: bytes by revision and name of the repository `someone/model`.
        cut_after: the first body of `cut_name` ends after so many bytes.
        token: needed for everything, if given.
        refusal: code of the answer to a request without it.
        corrupt: names whose bodies are other bytes than were published.
        requests: (method, path, range header) of what came.
    """

    files: dict[str, dict[str, bytes]]
    cut_after: int = 0
    cut_name: str = "model.safetensors"
    token: str | None = None
    refusal: str = "GatedRepo"
    corrupt: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` at `hub.url` inside the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range")))
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.fail(401, hub.refusal)
            parts = path.strip("/").split("/")
            if path.startswith("/api/models/"):
                return self.api(parts[2:], body)
            if len(parts) > 4 and parts[2] == "resolve" and "/".join(parts[:2]) == "someone/model":
                return self.file(parts[3], "/".join(parts[4:]), body)
            return self.fail(404, "RepoNotFound")

        def api(self, parts: list[str], body: bool) -> None:
            if "/".join(parts[:2]) != "someone/model":
                return self.fail(404, "RepoNotFound")
            revision = parts[3] if len(parts) > 3 else "main"
            commit = COMMITS.get(revision, revision)
            name = next((r for r, c in COMMITS.items() if c == commit), None)
            if name not in hub.files:
                return self.fail(404, "RevisionNotFound")
            files = hub.files[name]
            if len(parts) > 2 and parts[2] == "tree":
                return self.send(json.dumps([
                    {"type": "file", "path": f, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                    for f, b in files.items()
                ]).encode(), body)  # fmt: skip
            siblings = [{"rfilename": f, "size": len(b)} for f, b in files.items()]
            return self.send(json.dumps({"id": "someone/model", "sha": commit, "siblings": siblings, "private": False,
                                         "tags": [], "downloads": 0, "likes": 0}).encode(), body)  # fmt: skip

        def file(self, revision: str, name: str, body: bool) -> None:
            branch = next((r for r, c in COMMITS.items() if revision in (r, c)), None)
            content = hub.files.get(branch or "", {}).get(name)
            if content is None:
                return self.fail(404, "EntryNotFound" if branch in hub.files else "RevisionNotFound")
            head = {"X-Repo-Commit": COMMITS[branch or ""], "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                    "Accept-Ranges": "bytes"}  # fmt: skip
            if name in hub.corrupt:
                content = bytes([content[0] ^ 1]) + content[1:] if len(content) < 9 else content[:-1] + b"?"
            start, status = 0, 200
            if wanted := self.headers.get("Range"):
                start, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
                head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.send(content[start:], body, status, head)

        def send(self, content: bytes, body: bool, status: int = 200, head: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for key, value in (head or {}).items():
                self.send_header(key, value)
            self.end_headers()
            if not body:
                return
            if hub.cut_after and self.path.endswith(hub.cut_name):
                self.wfile.write(content[: hub.cut_after])
                hub.cut_after = 0
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            self.wfile.write(content)

        def fail(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
