"""A Docker engine of the tests' own: no network, no address, no rule of this machine's firewall touched."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import groups
from wait import until

# What it leaves in /run goes with its namespace.
OWN_RUN = 'mount -t tmpfs tmpfs /run; exec "$0" "$@"'


class Engine:
    """An engine that runs."""

    def __init__(self):
        self.place = Path(tempfile.mkdtemp(prefix="plimsoll-docker-", dir="/tmp"))
        self.socket = self.place / "docker.sock"
        self.environment = os.environ | {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.place / "config"),
            # What every engine has: the newer builder is a program of its own.
            "DOCKER_BUILDKIT": "0",
        }
        self.daemon = None
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self):
        # Should the tests be killed, it goes with them.
        words = ["setpriv", "--pdeathsig", "TERM", "unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", OWN_RUN, "dockerd"]
        words += ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        words += [f"--host=unix://{self.socket}", f"--cgroup-parent=/{self.place.name}"]
        words += [f"--data-root={self.place}/data", f"--exec-root={self.place}/run", f"--pidfile={self.place}/pid"]
        with open(self.place / "log", "wb") as log:
            self.daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        until("the engine responds", self._responds)

    def _responds(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"dockerd ended: {(self.place / 'log').read_text()}")
        return self.socket.exists() and self.docker("version", check=False).returncode == 0

    def docker(self, *words, check=True, **options):
        """Runs `docker`."""
        command = ["docker", *map(str, words)]
        ended = subprocess.run(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
        )
        if check and ended.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {ended.returncode}\n{ended.stdout}")
        return ended

    def inspect(self, container, what):
        """What the engine knows of a container, by a template."""
        return self.docker("inspect", "--format", "{{" + what + "}}", container).stdout.strip()

    def get(self, container, url):
        """The body at a URL, asked from within a container's network."""
        pid = self.inspect(container, ".State.Pid")
        script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode(), end='')"
        # Of the directory that it is in, Python needs nothing.
        command = ["nsenter", "--target", pid, "--net", "python3", "-I", "-c", script, url]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    def end(self):
        """Ends it with all that it runs, and leaves nothing of it."""
        if self.daemon and self.daemon.poll() is None:
            containers = self.docker("ps", "--quiet", "--all", check=False).stdout.split()
            if containers:
                self.docker("rm", "--force", "--volumes", *containers, check=False)
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        groups.remove(self.place.name)
        shutil.rmtree(self.place, ignore_errors=True)
