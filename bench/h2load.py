"""Load by h2load: HTTP/2, one thread, so many streams open at all times (a closed loop)."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from case import Http2Load
from deployment import Deployment, Front
from load import LoadError, LoadReport
from process import TIED
from ratio import percentile

GRACE_SECONDS = 30


def run(load: Http2Load, deployment: Deployment, seconds: int) -> LoadReport:
    """Runs h2load against a proxy for so long."""
    log = deployment.directory / "h2load.log"
    log.unlink(missing_ok=True)
    output = _h2load(
        ["-D", str(seconds), f"-c{load.connections}", f"-m{load.streams}", f"--log-file={log}"],
        load, deployment, seconds,
    )  # fmt: skip
    return parse(output, latencies_us(log))


def once(load: Http2Load, deployment: Deployment) -> LoadReport:
    """Sends one request."""
    return parse(_h2load(["-n1", "-c1", "-m1"], load, deployment, 0), [0])


def _h2load(
    how_much: list[str], load: Http2Load, deployment: Deployment, seconds: int
) -> str:
    scheme = "https" if deployment.front is Front.TLS else "http"
    sent = [f"-H{name}: {value}" for name, value in deployment.client_headers.items()]
    url = f"{scheme}://{deployment.address}{load.path}"
    try:
        done = subprocess.run(
            [*TIED, "h2load", "-t1", *how_much, *sent, url],
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError("h2load did not end") from error
    if done.returncode != 0:
        raise LoadError(f"h2load failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def parse(output: str, latencies: list[int]) -> LoadReport:
    """Reads what h2load prints; the latencies are in microseconds, in any order."""
    done = _number(r"^requests: .* (\d+) done,", output)
    errors = {
        kind: _number(pattern, output)
        for kind, pattern in {
            "failed": r"^requests: .* (\d+) failed,",
            "errored": r"^requests: .* (\d+) errored,",
            "timeout": r"^requests: .* (\d+) timeout",
        }.items()
    }
    # Statuses are counted when they come, requests when they end: 2xx can be more than those done.
    errors["status"] = sum(_number(rf"^status codes: .* (\d+) {n}xx", output) for n in (3, 4, 5))
    return LoadReport(
        requests=done,
        seconds=_seconds(output),
        p50_us=percentile(latencies, 50),
        p99_us=percentile(latencies, 99),
        body_bytes_min=_number(r"^traffic: .* \((\d+)\) data", output),
        errors={kind: count for kind, count in errors.items() if count},
        cipher=_cipher(output),
    )


def latencies_us(log: Path) -> list[int]:
    """The third column of h2load's log: microseconds from request to answer."""
    with log.open(encoding="ascii") as lines:
        return _third_columns(lines)


def _third_columns(lines: Iterable[str]) -> list[int]:
    return [int(line.split("\t")[2]) for line in lines]


def _number(pattern: str, output: str) -> int:
    found = re.search(pattern, output, re.MULTILINE)
    if found is None:
        raise LoadError(f"h2load said: {output.strip()}")
    return int(found[1])


def _seconds(output: str) -> float:
    found = re.search(r"^finished in ([\d.]+)(us|ms|s),", output, re.MULTILINE)
    if found is None:
        raise LoadError(f"h2load said: {output.strip()}")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]


def _cipher(output: str) -> str:
    found = re.search(r"^TLS Protocol: (\S+)\nCipher: (\S+)", output, re.MULTILINE)
    return f"{found[1]} {found[2]}" if found else ""
