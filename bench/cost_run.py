"""Counts what one case costs: starts Plimsoll under valgrind, and then under strace, and loads it."""

import re
import shutil
import subprocess
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import callgrind
import lockstep
import port
from cost_case import CostCase, Streams
from deployment import Deployment, Front
from lockstep import Requests
from plimsoll import Plimsoll
from process import TIED, Process, wait_until
from testbed import Testbed

START_SECONDS = 60.0
WARM_UP = 10
"""Rounds before anything is counted, so that pools and buffers are as they stay."""

UNFINISHED = re.compile(r"^(\d+)\s+(?!<\.\.\.|\+\+\+|---)\w+\(")
"""A line of strace's that begins a system call, after the thread that makes it."""


@dataclass(frozen=True)
class Cost:
    """What the worker spends on one request."""

    instructions: float
    allocations: float
    system_calls: float


def measure(case: CostCase, testbed: Testbed, proxy: Plimsoll) -> Cost:
    """Counts one case once."""
    counted, requests = _instructions(case, testbed, proxy)
    few, more = (_system_calls(case, testbed, proxy, rounds) for rounds in (1, 1 + _traced(case)))
    return Cost(
        instructions=counted.instructions / requests,
        allocations=counted.allocations / requests,
        system_calls=(more - few) / (_traced(case) * _per_round(case)),
    )


def _instructions(
    case: CostCase, testbed: Testbed, proxy: Plimsoll
) -> tuple[callgrind.Counted, int]:
    deployment = testbed.deployment(case)
    program = proxy.prepare(deployment)
    process = Process(
        callgrind.command(program.arguments, deployment.directory),
        testbed.proxy_core,
        program.output,
        program.environment,
    )
    try:
        _wait(deployment, process)
        control = callgrind.Control(process.pids()[0], deployment.directory)
        control.begin()
        with ExitStack() as stack:
            load = _loaded(case, deployment, stack)
            load(WARM_UP)
            control.forget()
            requests = load(case.rounds)
            return control.counted(), requests
    finally:
        process.stop()
        shutil.rmtree(deployment.directory)


def _system_calls(case: CostCase, testbed: Testbed, proxy: Plimsoll, rounds: int) -> int:
    """How many calls the busiest thread makes from start to end."""
    deployment = testbed.deployment(case)
    program = proxy.prepare(deployment)
    trace = deployment.directory / "trace"
    process = Process(
        ["strace", "-f", "-o", str(trace), *program.arguments],
        testbed.proxy_core, program.output, program.environment,
    )
    try:
        _wait(deployment, process)
        with ExitStack() as stack:
            _loaded(case, deployment, stack)(WARM_UP + rounds)
    finally:
        process.stop()
    found = calls(trace.read_text(encoding="utf-8", errors="replace"))
    shutil.rmtree(deployment.directory)
    return found


def calls(trace: str) -> int:
    """The calls of the thread that makes most."""
    threads = Counter(
        found.group(1) for line in trace.splitlines() if (found := UNFINISHED.match(line))
    )
    return max(threads.values())


def _loaded(case: CostCase, deployment: Deployment, stack: ExitStack):
    if isinstance(case.load, Streams):
        load = case.load
        return lambda rounds: _h2load(load, deployment, rounds)
    requests = case.load.with_headers(deployment.client_headers)
    return stack.enter_context(lockstep.connected(requests, deployment.address)).rounds


def _h2load(load: Streams, deployment: Deployment, rounds: int) -> int:
    requests = rounds * load.connections * load.streams
    scheme = "https" if deployment.front is Front.TLS else "http"
    done = subprocess.run(
        [*TIED, "h2load", "-t1", f"-c{load.connections}", f"-m{load.streams}", f"-n{requests}",
         f"{scheme}://{deployment.address}/"],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    if f"{requests} succeeded" not in done.stdout:
        raise lockstep.WrongAnswer(done.stdout)
    return requests


def _per_round(case: CostCase) -> int:
    load = case.load
    return load.connections * (load.streams if isinstance(load, Streams) else 1)


def _traced(case: CostCase) -> int:
    return max(1, case.rounds // 10)


def _wait(deployment: Deployment, process: Process) -> None:
    """Until a request is answered; on the worker's own terms, so that the first is not counted."""
    tls = deployment.front is Front.TLS
    first = Requests(1, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", tls=tls)
    first = first.with_headers(deployment.client_headers)

    def answers() -> bool:
        if not process.alive():
            raise lockstep.WrongAnswer("the program ended at once")
        try:
            with lockstep.connected(first, deployment.address) as load:
                load.rounds(1)
        except (OSError, lockstep.WrongAnswer):
            return False
        return True

    if not wait_until(answers, START_SECONDS, 0.2):
        raise lockstep.WrongAnswer("no answer in time")
