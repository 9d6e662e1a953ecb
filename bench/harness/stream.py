"""A client for streamed answers of many requests at once, in one thread: it shares the machine with
the server it measures, so it does little beside noting times."""

import json
import selectors
import socket
import sys
import time


class ChunkedBody:
    """Takes the bytes of a chunked HTTP body apart (RFC 9112, section 7.1)."""

    def __init__(self):
        self._buffer = b""
        self._left = 0  # of the current chunk, its line break included
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out = []
        while not self.ended:
            if self._left == 0:
                end = self._buffer.find(b"\r\n")
                if end < 0:
                    break
                size = int(self._buffer[:end].split(b";")[0], 16)
                self._buffer = self._buffer[end + 2 :]
                self._left = size + 2
                self.ended = size == 0
                continue
            if not self._buffer:
                break
            piece = self._buffer[: self._left]
            self._buffer = self._buffer[len(piece) :]
            text = max(0, self._left - 2)
            out.append(piece[:text])
            self._left -= len(piece)
        return b"".join(out)


class Stream:
    """One request. `times`: when each event with text arrived; all in perf_counter's seconds."""

    def __init__(self, port: int, body: dict):
        body = body | {"stream": True, "stream_options": {"include_usage": True}}
        data = json.dumps(body).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self.times = []
        self.usage = None
        self.done = False
        self._head, self._body, self._events = b"", None, b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start = time.perf_counter()
        self.socket.sendall(head.encode() + data)

    def receive(self) -> None:
        data = self.socket.recv(65536)
        now = time.perf_counter()
        if not data:
            self.finish()
            return
        if self._body is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 200 " not in self._head[: self._head.find(b"\r\n")]:
                sys.exit(f"error: the server refused: {self._head[:600].decode(errors='replace')}")
            if b"chunked" not in self._head[:end].lower():
                sys.exit("error: the server's stream is not chunked")
            self._body = ChunkedBody()
            data = self._head[end + 4 :]
        self._events += self._body.feed(data)
        *whole, self._events = self._events.split(b"\n\n")
        for event in whole:
            self.take(event, now)
        if self._body.ended:
            self.finish()

    def take(self, event: bytes, now: float) -> None:
        if not event.startswith(b"data: ") or event == b"data: [DONE]":
            return
        message = json.loads(event[6:])
        if "error" in message:
            sys.exit(f"error: the server failed: {message['error']}")
        choices = message.get("choices")
        if choices and choices[0].get("text"):
            self.times.append(now)
        if message.get("usage"):
            self.usage = message["usage"]

    def finish(self) -> None:
        if not self.done and self.usage is None:
            sys.exit("error: the server closed a stream before its end")
        self.done = True
        self.socket.close()

    @property
    def first(self) -> float:
        """Seconds from the request to its first text."""
        return self.times[0] - self.start

    @property
    def gaps(self) -> list:
        return [b - a for a, b in zip(self.times, self.times[1:])]


class Client:
    def __init__(self, port: int):
        self.port = port
        self._selector = selectors.DefaultSelector()

    def start(self, body: dict) -> Stream:
        stream = Stream(self.port, body)
        self._selector.register(stream.socket, selectors.EVENT_READ, stream)
        return stream

    def poll(self, timeout: float = 60.0) -> None:
        """Takes what has arrived; waits for something."""
        ready = self._selector.select(timeout)
        if not ready:
            sys.exit(f"error: no answer for {timeout:.0f} s")
        for key, _ in ready:
            key.data.receive()
            if key.data.done:
                self._selector.unregister(key.fileobj)

    def finish(self, *streams: Stream) -> None:
        while not all(stream.done for stream in streams):
            self.poll()

    def ask(self, body: dict) -> Stream:
        stream = self.start(body)
        self.finish(stream)
        return stream
