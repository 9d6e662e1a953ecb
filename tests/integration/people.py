"""People with keys, made by the program's own commands; no test lives here."""

import os
import subprocess

from servers import required


def run_maru(home, *arguments, stdin=""):
    return subprocess.run(
        [required("MARU_BINARY"), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "MARU_HOME": str(home), "LC_ALL": "C.UTF-8"},
        timeout=120,
    )


def maru(home, *arguments, stdin="", code=0):
    done = run_maru(home, *arguments, stdin=stdin)
    assert done.returncode == code, done.stderr
    return done.stdout.strip()


def bearer(key):
    return {"authorization": "Bearer " + key}
