"""A bad release of an example whose page shows how one is told: deployed, rolled back, and told so.

Owns what is bad about it, and the form of what a receipt says of why. When the judge is certain depends on the machine, so that some of its lines
may be others; what a person asks first (since when, which requests, on which instances, what those wrote) has to be there each time.
"""

import re
import time
from pathlib import Path

from .load import HttpLoad, dynamic
from .running import START_SECONDS, Fault, Running

APP = Path("app/app.py")
SOUND = """                self._send(200, f"release {VERSION}\\n".encode())
            case "/health":"""
BAD = """                print("sqlite3.OperationalError: no such table: carts", file=sys.stderr, flush=True)
                self._send(500, b"")
            case "/health":"""
EXAMPLES = {"ci"}
BAKE = ('bake = "2s"', 'bake = "20s"')
"""However slowly the machine counts, the judge has had its time by then."""
DEPLOY = "./deploy.sh 3 localhost"
REQUESTS_BEFORE = 40

ROLLED_BACK = "web: release 3 was rolled back to 1, as it is worse: "
TIME = r"\d{4}-\d\d-\d\dT[\d:.]+Z"
ALWAYS = {
    "since when": rf"  why: errors, since {TIME} \(\d+\.\d s into the deploy\)",
    "how many": r"    release 3     \d+ of \d+ requests failed \(\d+\.\d %\)",
    "which instances": r"    instances     web-\d+ \d+(, web-\d+ \d+)*",
    "how sure": r"    how sure      .*confidence = 0\.99: at most 1 sound release in 100 is ever called worse",
    "which requests": rf"    requests      {TIME}  [0-9a-f]{{32}}  \S+  web-\d+  500 after \S+ \S+",
    "what was written": r" +web-\d+ \| sqlite3\.OperationalError: no such table: carts",
    "other rules": r"    other rules   plimsoll judge web \d+ --set KEY=VALUE",
}
"""What is told of each release that is worse, by a line of it each."""


def rolled_back(running: Running, directory: Path, page: str) -> None:
    """Deploys it under load; the page shows what is told of it."""
    _break(directory)
    clients = HttpLoad(running.address, dynamic())
    try:
        _await(clients)
        done = running.command(f"SHOP=$PWD {DEPLOY}")
    finally:
        clients.stop()
    if done.returncode != 1 or ROLLED_BACK not in done.stdout:
        raise Fault(f"{DEPLOY}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    for where, text in (("the page", page), ("what was printed", done.stdout)):
        if lacks := missing(text):
            raise Fault(f"{where} does not tell {', '.join(lacks)} of a bad release:\n{text}")


def _await(clients: HttpLoad) -> None:
    deadline = time.monotonic() + START_SECONDS
    while clients.sent() < REQUESTS_BEFORE:
        if time.monotonic() > deadline:
            raise Fault("no requests are sent")
        time.sleep(0.05)


def missing(text: str) -> list[str]:
    """What is not told of the release."""
    # On a page it is indented as a whole.
    lines = [line.removeprefix("    ") if "\n    web: release" in text else line for line in text.splitlines()]
    return [what for what, form in ALWAYS.items() if not any(re.fullmatch(form, line) for line in lines)]


def _break(directory: Path) -> None:
    for file, there, instead in ((directory / APP, SOUND, BAD), (directory / "plimsoll.toml", *BAKE)):
        text = file.read_text(encoding="utf-8")
        if text.count(there) != 1:
            raise ValueError(f"{file} does not say {there!r}")
        text = text.replace(there, instead)
        file.write_text(text.replace("import signal\n", "import signal\nimport sys\n"), encoding="utf-8")
