"""The example with containers, tried with a Docker engine of the trial's own, in a network of its own.

The trial runs in a process of its own (`python3 -m trial.containers EXAMPLE PROGRAM`, by `unshare`): the engine's bridges and
ports are seen by it alone, and no rule of this machine's firewall is touched. No image is fetched: they are made of this
machine's own programs, and the libraries that these ask for.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .load import Counts, HttpLoad, static
from .running import Fault
from .transcript import printed_by

PAGE = Path(__file__).resolve().parents[2] / "docs/guide/frameworks/docker.md"
NEEDS = ["dockerd", "docker", "docker-compose", "unshare", "ip", "busybox", "curl"]
ADDRESS = "localhost:8080"
START_SECONDS = 30
STEP_SECONDS = 0.2
SERVER = """trap 'exit 0' TERM
/bin/busybox httpd -f -p 8080 -h /site &
wait
"""
"""The first process in a container ignores a signal that it has no handler for."""


def tried(example: Path, program: Path) -> Counts:
    """Tries it in a process of its own."""
    command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-m", "trial.containers"]
    done = subprocess.run(
        [*command, str(example), str(program)], cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    if done.returncode != 0:
        raise Fault(f"{done.stdout}{done.stderr}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Counts(said["sent"], said["failed"], said["reasons"], Counter(said["releases"]))


class Engine:
    """A Docker engine."""

    def __init__(self, directory: Path) -> None:
        """Starts it."""
        self._directory = directory
        socket = f"unix://{directory}/docker.sock"
        self.environment = os.environ | {
            "DOCKER_HOST": socket, "DOCKER_CONFIG": str(directory / "config"), "COMPOSE": "docker-compose",
        }  # fmt: skip
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        words = ["dockerd", "--iptables=false", "--bridge=none", f"--host={socket}"]
        words += [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
        with (directory / "log").open("wb") as log:
            self._daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        until("the engine does not start", lambda: self.shell("docker version").returncode == 0)

    def shell(self, line: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a line with it."""
        return subprocess.run(
            ["sh", "-c", line], cwd=directory, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip

    def image(self, name: str, programs: dict[str, str], files: dict[str, str], settings: list[str]) -> None:
        """Makes an image of these programs of this machine, by their places in it, and these files."""
        root = Path(tempfile.mkdtemp(dir=self._directory))
        # Plimsoll's state, where the image is Plimsoll's.
        (root / "var/lib/plimsoll").mkdir(parents=True)
        for place, program in programs.items():
            _put(Path(program), root / place)
            asked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
            for library in re.findall(r"/\S+", asked):
                _put(Path(library), root / library.lstrip("/"))
        for place, text in files.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(text, encoding="utf-8")
        changes = " ".join(f"--change '{setting}'" for setting in settings)
        done = self.shell(f"tar -C {root} -c . | docker import {changes} - {name}")
        if done.returncode != 0:
            raise Fault(done.stderr)

    def end(self) -> None:
        """Ends it, and what is left in it."""
        self.shell("docker rm -f $(docker ps -aq)")
        self._daemon.terminate()
        self._daemon.wait()


def _put(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file.resolve(), place)


def until(fault: str, condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Fault(fault)
        time.sleep(STEP_SECONDS)


def _images(engine: Engine, program: str) -> None:
    plimsoll = ["ENV PATH=/bin", 'ENTRYPOINT ["plimsoll"]', 'CMD ["run"]']
    engine.image("plimsoll:0.1.0", {"bin/plimsoll": program}, {}, plimsoll)
    busybox = shutil.which("busybox")
    assert busybox is not None, "it was looked for"
    # The third has no page.
    for version, page in (("1", "site/index.html"), ("2", "site/index.html"), ("3", "site/other.html")):
        files = {page: f"release {version}\n", "serve": SERVER}
        engine.image(f"shop:{version}", {"bin/busybox": busybox}, files, ['CMD ["/bin/busybox","sh","/serve"]'])


def _expect(engine: Engine, directory: Path, line: str, code: int = 0) -> str:
    done = engine.shell(line, directory)
    if done.returncode != code:
        raise Fault(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _expect_shown(page: str, line: str, printed: str) -> None:
    """What the guide's page shows that a line prints is what it printed."""
    shown = printed_by(line, page)
    if shown != printed.split("\n")[:-1]:
        raise Fault(f"the page shows of {line}: {shown}, and it printed:\n{printed}")


def _replaced(engine: Engine, directory: Path, page: str) -> Counts:
    def says(release: str) -> bool:
        return engine.shell(f"curl -s http://{ADDRESS}/").stdout == f"release {release}\n"

    _expect(engine, directory, "docker-compose up -d")
    until("the first release does not serve", lambda: says("1"))
    clients = HttpLoad(ADDRESS, static())
    try:
        until("no requests are sent", lambda: clients.sent() > 20)
        _expect_shown(page, "./replace.sh 2", _expect(engine, directory, "./replace.sh 2"))
        if not says("2"):
            raise Fault("release 2 does not serve after ./replace.sh 2")
        # A container that does not get healthy costs nobody anything.
        _expect(engine, directory, "PATIENCE=3 ./replace.sh 3", code=1)
        if not says("2"):
            raise Fault("release 2 does not serve after ./replace.sh 3 has failed")
    finally:
        counts = clients.stop()
    _expect(engine, directory, "docker-compose down -v")
    return counts


def main(example: Path, program: str) -> None:
    """Tries it, and prints the counts as JSON."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-docker-", dir="/tmp") as room:
        directory = Path(room) / example.name
        shutil.copytree(example, directory)
        engine = Engine(Path(room))
        try:
            _images(engine, program)
            counts = _replaced(engine, directory, PAGE.read_text(encoding="utf-8"))
        except Fault:
            print(engine.shell("docker-compose ps; docker-compose logs --tail=50", directory).stdout)
            raise
        finally:
            engine.end()
        print(json.dumps(vars(counts)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
