"""Load by wrk: HTTP/1.1, one thread, as many requests as come through (a closed loop)."""

import json
import subprocess
from pathlib import Path

from case import Http1Load
from deployment import Deployment, Front
from gate import DISTINCT_REQUESTS, Asked
from load import LoadError, LoadReport
from process import TIED

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"
GRACE_SECONDS = 30


def run(load: Http1Load, deployment: Deployment, seconds: int) -> LoadReport:
    """Runs wrk against a proxy for so long."""
    arguments = [*TIED, *command(load, deployment, seconds)]
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError("wrk did not end") from error
    if done.returncode != 0:
        raise LoadError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    return parse(done.stdout)


def command(load: Http1Load, deployment: Deployment, seconds: int) -> list[str]:
    """wrk's command line."""
    scheme = "https" if deployment.front is Front.TLS else "http"
    headers = deployment.client_headers | ({"Connection": "close"} if load.close else {})
    sent = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    return [
        "wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", *sent,
        "-s", str(SCRIPT), f"{scheme}://{deployment.address}{load.path}",
        *_script_arguments(load, deployment),
    ]  # fmt: skip


def parse(output: str) -> LoadReport:
    """Reads the line of JSON that `wrk.lua` writes at the end."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    try:
        said = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise LoadError(f"wrk said: {output.strip()}") from error
    return LoadReport(
        requests=said["requests"],
        seconds=said["duration_us"] / 1e6,
        p50_us=said["p50_us"],
        p99_us=said["p99_us"],
        body_bytes_min=said["bytes"],
        errors={kind: count for kind, count in said["errors"].items() if count},
    )


def _script_arguments(load: Http1Load, deployment: Deployment) -> list[str]:
    if load.upload_bytes:
        return ["--", "upload", str(load.upload_bytes)]
    if deployment.routes:
        return ["--", deployment.routes.key.value, str(deployment.routes.count)]
    if deployment.gate is not None and deployment.gate.asked is Asked.SERVICE:
        return ["--", "distinct", str(DISTINCT_REQUESTS)]
    return []
