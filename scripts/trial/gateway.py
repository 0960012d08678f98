"""The example with two edges and a Redis, tried: both serve, and its client finds that all rules hold, at either.

Owns the Redis and the places of the edges. What is to hold is in the example's own `client.py`.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .ports import free_port
from .running import Fault, Running

NEEDS = ["python3", "redis-server"]
START_SECONDS = 20
CLIENT_SECONDS = 120


def tried(example: Path, program: Path) -> str:
    """What its client said."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-gateway-") as room:
        port = free_port()
        redis = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", room],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        edges: list[Running] = []
        try:
            _await(port)
            environment = os.environ | {
                "PATH": f"{program.parent}:{os.environ['PATH']}", "NO_COLOR": "1", "BIND": "127.0.0.1:0",
                "REDIS_URL": f"redis://127.0.0.1:{port}",
                "JWT_SECRET": secrets.token_hex(32), "APP_SECRET": secrets.token_hex(32),
            }  # fmt: skip
            for name in ("one", "two"):
                directory = Path(room).resolve() / name
                shutil.copytree(example, directory)
                edges.append(Running("plimsoll run", directory, environment))
            said = _client(example, [edge.address for edge in edges], environment)
            for edge in edges:
                edge.stop()
            return said
        finally:
            for edge in edges:
                edge.end()
            redis.terminate()
            redis.wait()


def _client(example: Path, addresses: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "client.py", *addresses], cwd=example, env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=CLIENT_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise Fault(f"client.py ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _await(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Fault("redis-server does not start") from None
            time.sleep(0.05)
