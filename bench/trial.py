"""One measurement: starts a proxy, checks its answers, loads it, reads the figures, stops it."""

import shutil
import time
from pathlib import Path

import check
import core
import cpu
import h2load
import idle
import memory
import wrk
from case import Case, Http1Load, Http2Load, IdleLoad
from deployment import Deployment
from load import LoadError, LoadReport
from options import Options
from process import Process, wait_until
from proxy import Proxy
from record import Record
from testbed import Testbed

START_SECONDS = 20.0
LOG_SECONDS = 3.0
LOG_TAIL_BYTES = 500


def measure(
    testbed: Testbed, options: Options, case: Case, proxy: Proxy, number: int
) -> Record:
    """Measures one proxy in one round of one case. What goes wrong is in the record."""
    deployment = testbed.deployment(case)
    command = proxy.prepare(deployment)
    process = Process(command.arguments, testbed.proxy_core, command.output, command.environment)
    try:
        cipher = _wait_for_answers(case, deployment, process, command.output)
        figures, seen, problems = _load(testbed, options, case, deployment, process)
    except (check.WrongAnswer, LoadError, idle.IdleError) as error:
        return Record(case.name, proxy.name, number, problems=(str(error),))
    finally:
        process.stop()
        # Access logs are large, and all of this is in memory.
        shutil.rmtree(deployment.directory)
    return Record(case.name, proxy.name, number, figures, seen or cipher, problems)


def _wait_for_answers(
    case: Case, deployment: Deployment, process: Process, output: Path
) -> str:
    """Asks until the answers are right: a proxy may take its time to start."""
    cipher = ""
    last = check.WrongAnswer("was not asked")

    def right() -> bool:
        nonlocal cipher, last
        if not process.alive():
            raise check.WrongAnswer(f"ended at once: {_tail(output)}")
        try:
            cipher = check.answers(case, deployment)
        except check.WrongAnswer as error:
            last = error
            return False
        return True

    if not wait_until(right, START_SECONDS):
        raise last
    return cipher


def _load(
    testbed: Testbed, options: Options, case: Case, deployment: Deployment, process: Process
) -> tuple[dict[str, float], str, tuple[str, ...]]:
    """Figures, what TLS the generator saw, and problems."""
    if isinstance(case.load, IdleLoad):
        return idle.run(case.load, deployment, process), "", ()
    warmup = _generate(case.load, deployment, options.warmup_seconds)
    idle.settle(process)
    cores, times, start = core.sample(), cpu.sample(process.pids()), time.monotonic_ns()
    report = _generate(case.load, deployment, options.seconds)
    wall_ns, cores_after = time.monotonic_ns() - start, core.sample()
    # The ends of connections belong to the requests that they served.
    idle.settle(process)
    spent = cpu.between(times, cpu.sample(process.pids()))
    held = memory.sample(process.pids())
    proxy_core = spent.total_ns / wall_ns
    busy = {
        number: core.busy_share(cores[number], cores_after[number])
        for number in (testbed.proxy_core, testbed.load_core)
    }
    requests = max(1, report.requests)
    figures = {
        "cpu_us": spent.total_ns / 1_000 / requests,
        "user_us": spent.user_ns / 1_000 / requests,
        "system_us": spent.system_ns / 1_000 / requests,
        "requests_per_second": report.requests / report.seconds,
        "p50_us": report.p50_us,
        "p99_us": report.p99_us,
        "pss_bytes": held.pss_bytes,
        "rss_bytes": held.rss_bytes,
        "proxy_core": proxy_core,
        "load_core": busy[testbed.load_core],
        "foreign": max(0.0, busy[testbed.proxy_core] - proxy_core),
    }
    problems = _problems(case.load, report)
    if deployment.access_log is not None:
        problems += _log_problems(deployment.access_log, warmup.requests + report.requests)
    return figures, report.cipher, problems


def _generate(load: Http1Load | Http2Load, deployment: Deployment, seconds: int) -> LoadReport:
    if isinstance(load, Http1Load):
        return wrk.run(load, deployment, seconds)
    return h2load.run(load, deployment, seconds)


def _problems(load: Http1Load | Http2Load, report: LoadReport) -> tuple[str, ...]:
    found = [f"{count} {kind} errors" for kind, count in report.errors.items()]
    if report.requests == 0:
        found.append("no request was completed")
    if report.body_bytes_min < report.requests * load.answer_bytes:
        found.append("answers were shorter than they should be")
    return tuple(found)


def _log_problems(log: Path, requests: int) -> tuple[str, ...]:
    """A log that is written in larger pieces gets some time to be complete."""
    if wait_until(lambda: _lines(log) >= requests, LOG_SECONDS, 0.1):
        return ()
    return (f"{_lines(log)} lines in the access log for {requests} requests",)


def _lines(log: Path) -> int:
    if not log.exists():
        return 0
    with log.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


def _tail(output: Path) -> str:
    return output.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
