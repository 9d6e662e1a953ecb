"""A Hugging Face hub of the tests' own on loopback: the API and, on a port of its own, the storage
that its files redirect to. Knobs make it misbehave; `log` has every request that came.

    python3 hub_server.py FILE COMMAND...    serves FILE as org/model, runs COMMAND against it
"""

import contextlib
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Knobs:
    """How the hub misbehaves; the defaults are a good one's."""

    def __init__(self):
        self.api_status = []  # given in turn before a good answer; a pair has a Retry-After
        self.file_status = []  # of the storage
        self.refuse_all = None  # every answer's status
        self.cut_after = None  # () -> bytes of a body after which the connection breaks, or None
        self.size_lie = 0  # added to what the API says
        self.length_lie = 0  # added to what the storage says
        self.hash_lie = False
        self.flip = False  # one byte of the storage's bodies
        self.html = False
        self.knows_ranges = True
        self.wrong_range = False
        self.extra = b""  # behind a body
        self.rate = None  # bytes a second
        self.redirect = None  # instead of the storage's address
        self.stall = False
        self.need_token = None
        self.answer = None  # instead of the API's JSON
        self.etag = None


class Hub:
    def __init__(self, files, repository="org/model", licence="apache-2.0", in_lfs=".gguf"):
        self.repository = repository
        self.licence = licence
        self.files = {path: bytes_of(content) for path, content in files.items()}
        self.in_lfs = in_lfs
        self.knobs = Knobs()
        self.log = []  # (which server, path, headers)
        self.sent = 0  # bytes of files
        self._lock = threading.Lock()
        self.hub = self._serve("hub")
        self.storage = self._serve("storage")

    def _serve(self, which):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_role = which

            def log_message(self, *_):
                pass

            def do_GET(self):
                with contextlib.suppress(ConnectionError):
                    hub.answer(self)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def close(self):
        for server in (self.hub, self.storage):
            server.shutdown()
            server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.hub.server_port}"

    @property
    def storage_url(self):
        return f"http://127.0.0.1:{self.storage.server_port}"

    @property
    def egress(self):
        return f"127.0.0.1:{self.hub.server_port},127.0.0.1:{self.storage.server_port}"

    def environment(self):
        return {"HF_ENDPOINT": self.url, "MARU_EGRESS_HOSTS": self.egress}

    def requests(self, which=None):
        with self._lock:
            return [entry for entry in self.log if which in (None, entry[0])]

    def _next(self, statuses):
        with self._lock:
            return statuses.pop(0) if statuses else None

    # --- answers --------------------------------------------------------------------------------

    def answer(self, handler):
        which = handler.server_role
        with self._lock:
            self.log.append((which, handler.path, dict(handler.headers)))
        if self.knobs.refuse_all:
            return self._status(handler, self.knobs.refuse_all)
        token = self.knobs.need_token
        if which == "hub" and token and handler.headers.get("Authorization") != f"Bearer {token}":
            return self._status(handler, 401)
        if which == "storage":
            return self._storage(handler)
        if handler.path.startswith("/api/"):
            return self._api(handler)
        return self._resolve(handler)

    @staticmethod
    def _status(handler, status, headers=None, body=b"no"):
        if isinstance(status, tuple):
            status, wait = status
            headers = {"Retry-After": str(wait)}
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _api(self, handler):
        if status := self._next(self.knobs.api_status):
            return self._status(handler, status)
        if not re.fullmatch(rf"/api/models/{self.repository}/revision/(main|v1|{COMMIT})\?blobs=true",
                            handler.path):
            return self._status(handler, 404)
        body = self.knobs.answer
        if body is None:
            siblings = []
            for path, content in self.files.items():
                entry = {"rfilename": path, "size": len(content) + self.knobs.size_lie,
                         "blobId": git_blob(content)}
                if path.endswith(self.in_lfs):
                    sha = "0" * 64 if self.knobs.hash_lie else hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"sha256": sha, "size": entry["size"], "pointerSize": 135}
                elif self.knobs.hash_lie:
                    entry["blobId"] = "0" * 40
                siblings.append(entry)
            body = json.dumps({"id": self.repository, "sha": COMMIT, "siblings": siblings,
                               "cardData": {"license": self.licence}}).encode()
        self._status(handler, 200, {"Content-Type": "application/json"}, body)

    def _resolve(self, handler):
        prefix = f"/{self.repository}/resolve/{COMMIT}/"
        path = handler.path.removeprefix(prefix)
        if not handler.path.startswith(prefix) or path not in self.files:
            return self._status(handler, 404)
        target = self.knobs.redirect or f"{self.storage_url}/blob/{path}?signature=secret"
        self._status(handler, 302, {"Location": target}, b"")

    def _storage(self, handler):
        knobs = self.knobs
        if status := self._next(knobs.file_status):
            return self._status(handler, status)
        content = self.files[handler.path.removeprefix("/blob/").split("?")[0]]
        if knobs.html:
            return self._status(handler, 200, {"Content-Type": "text/html; charset=utf-8"},
                                b"<html>please log in</html>")
        begin, end, status = 0, len(content), 200
        headers = {"ETag": knobs.etag or f'"{hashlib.sha256(content[:4096]).hexdigest()}"'}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range") in (None, headers["ETag"])
        if wanted and knobs.knows_ranges and same:
            begin, end, status = int(wanted[1]), int(wanted[2]) + 1, 206
            shown = begin + 7 if knobs.wrong_range else begin
            headers["Content-Range"] = (
                f"bytes {shown}-{end - 1}/{len(content) + knobs.length_lie}")
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        length = end - begin + (knobs.length_lie if status == 200 else 0) + len(knobs.extra)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        self._body(handler, content, begin, end)

    def _body(self, handler, content, begin, end):
        knobs = self.knobs
        limit = knobs.cut_after() if knobs.cut_after else None
        started = time.monotonic()
        for at in range(begin, end, 64 << 10):
            piece = bytes(content[at:min(at + (64 << 10), end)])
            if knobs.flip and at == begin:
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            if limit is not None and at - begin + len(piece) > limit:
                handler.wfile.write(piece[:max(0, limit - (at - begin))])
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
            handler.wfile.write(piece)
            with self._lock:
                self.sent += len(piece)
            if knobs.stall:
                time.sleep(3)
            if knobs.rate:
                ahead = (at + len(piece) - begin) / knobs.rate - (time.monotonic() - started)
                time.sleep(max(0, ahead))
        handler.wfile.write(knobs.extra)


def bytes_of(content):
    return pathlib.Path(content).read_bytes() if isinstance(content, os.PathLike) else content


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def raise_loopback():
    """A new network namespace has a loopback device that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, 0x8913, request))[1]
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))


def main():
    raise_loopback()
    hub = Hub({"tiny-Q8_0.gguf": pathlib.Path(sys.argv[1])})
    result = subprocess.run(sys.argv[2:], env=os.environ | hub.environment(), check=False)
    print(len(hub.requests("storage")), "requests to the storage")
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
