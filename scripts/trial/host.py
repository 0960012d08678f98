"""A host to deploy to: this machine over SSH, by a server of the trial's own with keys of its own.

The user's own SSH configuration stays as it is: `ssh` is a script that comes first in PATH, and knows this server alone.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .ports import free_port

START_SECONDS = 10


class Host:
    """An SSH server on a free port of the loopback interface."""

    def __init__(self, directory: Path, path: str) -> None:
        """Starts it. `path` is where its sessions look for programs."""
        self._directory = directory
        directory.mkdir()
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)], check=True
            )
        (directory / "authorized").write_bytes((directory / "user.pub").read_bytes())
        port = free_port()
        (directory / "sshd_config").write_text(_server(directory, port, path), encoding="utf-8")
        (directory / "ssh_config").write_text(_client(directory, port), encoding="utf-8")
        ssh = directory / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {directory}/ssh_config "$@"\n', encoding="utf-8")
        ssh.chmod(0o755)
        if os.getuid() == 0:
            # Where it takes its privileges off; a service manager makes it otherwise.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._child = subprocess.Popen(
            [_program(), "-D", "-f", str(directory / "sshd_config"), "-E", str(directory / "log")],
            stdin=subprocess.DEVNULL,
        )
        self._wait(port)

    @property
    def bin(self) -> Path:
        """The directory of its `ssh`."""
        return self._directory / "bin"

    def end(self) -> None:
        """Ends the server."""
        self._child.terminate()
        self._child.wait()

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    log = (self._directory / "log").read_text(encoding="utf-8", errors="replace")
                    self.end()
                    raise RuntimeError(f"sshd does not start: {log}") from None
                time.sleep(0.05)


def _program() -> str:
    # It insists on being called by its whole path.
    return shutil.which("sshd") or "/usr/sbin/sshd"


def _server(directory: Path, port: int, path: str) -> str:
    return f"""
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={path}
"""


def _client(directory: Path, port: int) -> str:
    host = (directory / "host.pub").read_text(encoding="utf-8").split()
    (directory / "known").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n", encoding="utf-8")
    return f"""
Host localhost
    HostName 127.0.0.1
    Port {port}
    User {getpass.getuser()}
    IdentityFile {directory}/user
    IdentitiesOnly yes
    UserKnownHostsFile {directory}/known
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""
