import sys
import unittest

from harness.servers import Server, free_port


class Starts(unittest.TestCase):
    def test_waits_for_ready_and_stops(self):
        port = free_port()
        command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
        with Server(command, port, "/") as server:
            self.assertGreater(server.seconds, 0)
            self.assertGreater(server.memory(), 1 << 20)
        self.assertIsNotNone(server.process.poll())

    def test_says_why_a_server_did_not_start(self):
        command = [sys.executable, "-c", "import sys; sys.exit('no such model')"]
        with self.assertRaises(SystemExit) as caught:
            Server(command, free_port(), "/")
        self.assertIn("no such model", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
