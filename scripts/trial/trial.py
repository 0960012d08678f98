"""One example, tried: set up in a directory of its own, run, replaced under load, rolled back, stopped."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import bad, containers, gateway, load
from .client import OwnClient
from .host import Host
from .load import Counts, HttpLoad
from .readme import Readme, read
from .running import Fault, Running
from .transcript import faults, transcripts

SETUP_SECONDS = 300
ADAPTED = {
    'bind = "127.0.0.1:8080"': 'bind = "127.0.0.1:0"',
    'bake = "30s"': 'bake = "2s"\njudge = { max_slowdown = 100 }',
}
"""What is changed in an example's file."""
REQUESTS_BEFORE = 20
"""What the first release has to have been sent before it is replaced."""
REQUESTS_MIN = 100
"""A trial with fewer proves nothing."""
MADE = ["node_modules", ".next", ".venv", "state", "classes", "target"]
"""What a reader may have made in an example's directory."""
FILES_ONLY = {"static", "vite"}
"""Examples that have one page and nothing else."""


@dataclass(frozen=True)
class Passed:
    """It does what it should."""

    counts: Counts
    setup_seconds: float
    seconds: float
    printed: str = ""
    """By the deploy."""


@dataclass(frozen=True)
class Held:
    """Its own client found every rule to hold."""

    printed: str
    """By the client: a line for each."""
    seconds: float


@dataclass(frozen=True)
class Failed:
    """It does not."""

    why: str


@dataclass(frozen=True)
class Skipped:
    """The machine lacks these programs."""

    lacks: list[str]


Outcome = Passed | Held | Failed | Skipped


def tried(example: Path, program: Path) -> Outcome:
    """Tries an example with this `plimsoll`."""
    own = OWN_TRIALS.get(example.name)
    readme = None if own else read(example)
    needs = own.needs if own else readme.needs
    if lacks := [name for name in needs if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]:
        return Skipped(lacks)
    if own:
        return own.tried(example, program)
    with tempfile.TemporaryDirectory(prefix="plimsoll-example-") as room:
        directory = Path(room).resolve() / example.name
        shutil.copytree(example, directory, ignore=shutil.ignore_patterns(*MADE))
        _adapt(directory / "plimsoll.toml")
        path = f"{program.parent}:{os.environ['PATH']}"
        host = None
        try:
            if "sshd" in readme.needs:
                host = Host(Path(room) / "host", path)
                path = f"{host.bin}:{path}"
            environment = os.environ | {"PATH": path, "NO_COLOR": "1"}
            began = time.monotonic()
            _set_up(readme, directory, environment)
            ready = time.monotonic()
            page = (example / readme.page).read_text(encoding="utf-8") if readme.page else ""
            counts, printed = _replaced(readme, directory, environment, page)
            _expect_transcript(readme, page, printed)
        except (Fault, RuntimeError, subprocess.SubprocessError) as fault:
            return Failed(str(fault))
        finally:
            if host is not None:
                host.end()
        return Passed(counts, ready - began, time.monotonic() - ready, printed)


def _tried_at_two_edges(example: Path, program: Path) -> Outcome:
    began = time.monotonic()
    try:
        printed = gateway.tried(example, program)
    except (Fault, subprocess.SubprocessError) as fault:
        return Failed(str(fault))
    return Held(printed, time.monotonic() - began)


def _tried_in_containers(example: Path, program: Path) -> Outcome:
    if os.getuid() != 0:
        return Skipped(["root's rights, for a Docker engine of its own"])
    began = time.monotonic()
    try:
        counts = containers.tried(example, program)
        _expect_no_failure(counts)
    except (Fault, subprocess.SubprocessError) as fault:
        return Failed(str(fault))
    return Passed(counts, 0.0, time.monotonic() - began)


@dataclass(frozen=True)
class OwnTrial:
    """Of an example that is more than one `plimsoll run`."""

    needs: list[str]
    tried: Callable[[Path, Path], Outcome]


OWN_TRIALS = {
    "docker": OwnTrial(containers.NEEDS, _tried_in_containers),
    "gateway": OwnTrial(gateway.NEEDS, _tried_at_two_edges),
}


def _adapt(file: Path) -> None:
    """On a free port, watched for a shorter time than half a minute, and not rolled back for being slow.

    What a machine does besides the trial can make a new release slow, and to judge that is not what is tried here.
    """
    text = file.read_text(encoding="utf-8")
    for there, here in ADAPTED.items():
        if text.count(there) != 1:
            raise ValueError(f"{file} does not say `{there}`, as all examples do")
        text = text.replace(there, here)
    file.write_text(text, encoding="utf-8")


def _set_up(readme: Readme, directory: Path, environment: dict[str, str]) -> None:
    for line in readme.setup:
        done = subprocess.run(
            ["sh", "-c", line], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=SETUP_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise Fault(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def _replaced(readme: Readme, directory: Path, environment: dict[str, str], page: str) -> tuple[Counts, str]:
    """What became of the requests, and what the deploy printed. `page` is the guide's, if there is one."""
    running = Running(readme.run, directory, environment)
    try:
        clients = _clients(readme, running, directory, environment)
        try:
            _expect_release(readme, running, "1")
            _await_requests(clients)
            printed = _expect_success(running, readme.deploy)
            _expect_release(readme, running, "2")
            _expect_success(running, readme.rollback)
            _expect_release(readme, running, "1")
        finally:
            counts = clients.stop()
        if directory.name in bad.EXAMPLES:
            bad.rolled_back(running, directory, page)
        running.stop()
    finally:
        running.end()
    _expect_no_failure(counts)
    return counts, printed


def _clients(
    readme: Readme, running: Running, directory: Path, environment: dict[str, str]
) -> HttpLoad | OwnClient:
    if readme.client is not None:
        return OwnClient(_there(readme.client, running), directory, environment)
    requests = load.static() if directory.name in FILES_ONLY else load.dynamic()
    return HttpLoad(running.address, requests)


def _there(line: str, running: Running) -> str:
    return line.replace("localhost:8080", f"localhost:{running.address.rpartition(':')[2]}")


def _await_requests(clients: HttpLoad | OwnClient) -> None:
    deadline = time.monotonic() + REQUESTS_BEFORE
    while (sent := clients.sent()) is None or sent < REQUESTS_BEFORE:
        if sent is None or time.monotonic() > deadline:
            # What its own client sends before the deploy is seen in the releases that responded.
            return
        time.sleep(0.05)


def _expect_release(readme: Readme, running: Running, release: str) -> None:
    if readme.curl is None:
        return
    said = running.command(_there(readme.curl, running)).stdout
    if said != f"release {release}\n":
        raise Fault(f"{readme.curl} says {said!r} and not release {release}")


def _expect_success(running: Running, line: str) -> str:
    done = running.command(line)
    if done.returncode != 0:
        raise Fault(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _expect_transcript(readme: Readme, page: str, printed: str) -> None:
    """What the guide's page shows of a deploy of the example's service is what was printed; one of them where it has several."""
    if not page:
        return
    service = readme.deploy.split()[2]
    shown = transcripts(page)
    of_it = [lines for lines in shown if f"{service}: release 2 was promoted (before: 1)" in lines]
    if of_it and all(faults(lines, printed) for lines in of_it):
        raise Fault(f"{readme.page}: {faults(of_it[0], printed)}:\n{printed}")


def _expect_no_failure(counts: Counts) -> None:
    if counts.failed > 0:
        raise Fault(f"{counts.failed} of {counts.sent} requests failed: {counts.reasons}")
    if counts.sent < REQUESTS_MIN or not {"1", "2"} <= set(counts.releases):
        raise Fault(f"too little was sent to prove anything: {counts}")
