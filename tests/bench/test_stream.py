import json
import socket
import threading
import unittest

from harness.serving import window
from harness.stream import ChunkedBody, Client


def chunked(data: bytes, size: int) -> bytes:
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Chunks(unittest.TestCase):
    def test_any_cut_gives_the_same_bytes(self):
        data = bytes(range(256)) + b"\r\n0\r\n\r\n"
        for chunk in (1, 7, 300):
            wire = chunked(data, chunk)
            for cut in (1, 2, 3, 50, len(wire)):
                body, out = ChunkedBody(), b""
                for i in range(0, len(wire), cut):
                    out += body.feed(wire[i : i + cut])
                self.assertEqual(out, data)
                self.assertTrue(body.ended)


class OneAnswer(threading.Thread):
    """Answers one connection with these bytes."""

    def __init__(self, wire: bytes):
        super().__init__(daemon=True)
        self.wire = wire
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            for i in range(0, len(self.wire), 11):
                connection.sendall(self.wire[i : i + 11])
        self.listener.close()


def event(text=None, usage=None) -> bytes:
    message = {"choices": [] if text is None else [{"text": text}]}
    if usage:
        message["usage"] = usage
    return b"data: " + json.dumps(message).encode() + b"\n\n"


class Streams(unittest.TestCase):
    def test_notes_events_with_text_and_usage(self):
        body = (
            event("")
            + b": heartbeat\n\n"
            + event("a")
            + event("b")
            + event(usage={"completion_tokens": 3})
        )
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server = OneAnswer(head + chunked(body + b"data: [DONE]\n\n", 13))
        stream = Client(server.port).ask({"prompt": "x"})
        server.join()
        self.assertEqual(len(stream.times), 2)
        self.assertEqual(len(stream.gaps), 1)
        self.assertGreaterEqual(stream.times[0], stream.start)
        self.assertEqual(stream.usage, {"completion_tokens": 3})

    def test_a_refusal_ends_the_run(self):
        server = OneAnswer(b"HTTP/1.1 429 Too Many Requests\r\n\r\n{}")
        with self.assertRaises(SystemExit) as caught:
            Client(server.port).ask({"prompt": "x"})
        server.join()
        self.assertIn("429", str(caught.exception))

    def test_an_answer_that_breaks_off_ends_the_run(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server = OneAnswer(head + chunked(event("a"), 99)[:-5])
        with self.assertRaises(SystemExit):
            Client(server.port).ask({"prompt": "x"})
        server.join()


class Windows(unittest.TestCase):
    def test_pieces_are_whole_and_begin_differently(self):
        ids = list(range(26_000))
        firsts = set()
        for use, size, n in (("streams 64", 64, 320), ("first", 1433, 30), ("long", 4000, 30)):
            for i in range(n):
                piece = window(ids, use, i, size)
                self.assertEqual(len(piece), size)
                firsts.add(piece[0])
        self.assertEqual(len(firsts), 380)


if __name__ == "__main__":
    unittest.main()
