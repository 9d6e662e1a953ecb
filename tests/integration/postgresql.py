"""A PostgreSQL server of one's own, from Debian's package: on a socket in a folder of its own."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse

PASSWORD = "canary-7d1f/@"


def programs():
    """The newest version's folder."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        raise RuntimeError("PostgreSQL is not installed (script/packages-test.txt)")
    return folders[-1].parent


def as_owner(*command):
    """PostgreSQL refuses to run as root: then the package's user owns it."""
    if os.geteuid() != 0:
        return list(command)
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


class Postgresql:
    def __init__(self, folder, **settings):
        self.folder = folder
        self.settings = settings
        self.process = None

    @property
    def url(self):
        """With a password that no log or error may show."""
        secret = urllib.parse.quote(PASSWORD, safe="")
        return f"postgresql://maru:{secret}@/maru?host={urllib.parse.quote(str(self.folder), safe='')}"

    def make(self):
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(password, "postgres", "postgres")
        # As root this program may stand in a folder that the other user cannot enter.
        subprocess.run(
            as_owner(
                str(programs() / "initdb"),
                f"--pgdata={self.folder / 'data'}",
                "--no-locale",
                "--encoding=UTF8",
                "--username=maru",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--no-sync",
            ),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def start(self):
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "recovery_init_sync_method": "syncfs",
            **self.settings,
        }
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        deadline = time.monotonic() + 60
        while True:
            with open(self.folder / "log", "ab") as log:
                self.process = subprocess.Popen(
                    as_owner(str(programs() / "postgres"), "-D", str(self.folder / "data"), *flags),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                )
            if self.wait_until_ready(deadline):
                return
            # After a kill the children of the last one may still be ending.
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.2)

    def wait_until_ready(self, deadline):
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.psql("SELECT 1", database="postgres", check=False) == "1":
                return True
            time.sleep(0.05)
        return False

    def kill(self):
        """As a power cut ends it: the log is read again at the next start."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # "immediate": nobody needs the data any more
            self.process.wait(timeout=60)

    def psql(self, sql, database="maru", check=True):
        run = subprocess.run(
            [
                programs() / "psql",
                *("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"),
                *("-h", self.folder, "-U", "maru", "-d", database, "-c", sql),
            ],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0 or not check, run.stderr
        return run.stdout.strip()


@contextlib.contextmanager
def postgresql(**settings):
    with tempfile.TemporaryDirectory(prefix="maru-pg-") as folder:
        server = Postgresql(pathlib.Path(folder), **settings)
        server.make()
        server.start()
        try:
            server.psql("CREATE DATABASE maru", database="postgres")
            yield server
        finally:
            server.stop()
