"""The image, in a Docker engine of the test's own: built, run as nobody in particular, asked, found healthy and not."""

import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from built import ROOT, only, release
from debian import base
from engine import Engine
from needs import need
from wait import until

VERSION = "0.0.1"
IMAGE = f"plimsoll:{VERSION}"
# As little as a container may have. It has no network, and no test needs one.
CONFINED = ["--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
# What an image asks for every ten seconds, the tests ask for every second.
QUICKLY = ["--health-interval=1s", "--health-start-period=60s", "--health-retries=2"]
MOUNTED = "/etc/plimsoll/plimsoll.toml"


def configuration(body):
    """A file that responds so, on a port that in a container is for everybody."""
    return f'[listeners.web]\nbind = "0.0.0.0:80"\n[[routes]]\nrespond = {{ body = "{body}" }}\n'


class Image(unittest.TestCase):
    """One engine for all."""

    @classmethod
    def setUpClass(cls):
        need("dockerd", "docker", "unshare", "nsenter")
        made = tempfile.TemporaryDirectory(prefix="plimsoll image ")
        cls.addClassCleanup(made.cleanup)
        cls.made = Path(made.name)
        cls.engine = Engine()
        cls.addClassCleanup(cls.engine.end)
        environment = {name: cls.engine.environment[name] for name in ["DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_BUILDKIT"]}
        release(cls.made, "--version", VERSION, "--fast", "root", "image", **environment)

    def start(self, *words, command=()):
        """A container in the background."""
        container = self.engine.docker("run", "--detach", *CONFINED, *QUICKLY, *words, IMAGE, *command).stdout.strip()
        self.addCleanup(self.engine.docker, "rm", "--force", "--volumes", container)
        return container

    def wait_for_health(self, container, health):
        def look():
            state = self.engine.inspect(container, ".State.Status")
            self.assertEqual(state, "running", self.engine.docker("logs", container).stdout)
            return self.engine.inspect(container, ".State.Health.Status") == health

        until(f"it is {health}", look)

    def mounted(self, text):
        """The options that mount a configuration, and its file."""
        directory = tempfile.mkdtemp(dir=self.made)
        # The container's user is none of this machine's.
        for path in [self.made, directory]:
            os.chmod(path, 0o755)
        file = Path(directory, "plimsoll.toml")
        file.write_text(text)
        file.chmod(0o644)
        return ["--mount", f"type=bind,source={file},target={MOUNTED},readonly"], file

    def test_as_it_is_it_serves_as_nobody_and_is_healthy(self):
        container = self.start()
        self.wait_for_health(container, "healthy")
        self.assertIn("Plimsoll runs", self.engine.get(container, "http://127.0.0.1:8080/"))
        status = Path(f"/proc/{self.engine.inspect(container, '.State.Pid')}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        self.assertEqual((facts["Uid"].split(), int(facts["CapEff"], 16)), (["65532"] * 4, 0))
        told = self.engine.docker("exec", container, "plimsoll", "status").stdout
        self.assertIn("serves /etc/plimsoll/plimsoll.toml", told)

    def test_what_does_not_respond_is_unhealthy_until_it_does(self):
        container = self.start("--health-timeout=1s")
        self.wait_for_health(container, "healthy")
        process = int(self.engine.inspect(container, ".State.Pid"))
        os.kill(process, signal.SIGSTOP)
        self.wait_for_health(container, "unhealthy")
        os.kill(process, signal.SIGCONT)
        self.wait_for_health(container, "healthy")

    def test_a_mounted_file_is_served_on_port_80_and_applied_anew(self):
        mount, file = self.mounted(configuration("one"))
        container = self.start(*mount)
        self.wait_for_health(container, "healthy")
        self.assertEqual(self.engine.get(container, "http://127.0.0.1/"), "one")
        file.write_text(configuration("two"))
        self.engine.docker("exec", container, "plimsoll", "reload")
        self.assertEqual(self.engine.get(container, "http://127.0.0.1/"), "two")

    def test_stopped_it_drains_and_its_state_is_in_the_volume(self):
        volume = self.engine.docker("volume", "create").stdout.strip()
        for _ in range(2):
            container = self.start("--volume", f"{volume}:/var/lib/plimsoll")
            self.wait_for_health(container, "healthy")
            self.engine.docker("stop", container)
            self.assertEqual(self.engine.inspect(container, ".State.ExitCode"), "0")
        place = Path(self.engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume).stdout.strip())
        self.assertIn("journal.db", os.listdir(f"/proc/{self.engine.daemon.pid}/root{place}"))

    def test_a_file_with_errors_ends_it_and_is_drawn(self):
        mount, _ = self.mounted(configuration("one").replace("bind", "bnid"))
        container = self.start(*mount)
        self.assertEqual(self.engine.docker("wait", container).stdout.strip(), "1")
        self.assertIn("did you mean `bind`?", self.engine.docker("logs", container).stdout)

    def test_a_state_that_cannot_be_written_is_refused_with_a_cure(self):
        directory = tempfile.mkdtemp(dir=self.made)
        container = self.start("--mount", f"type=bind,source={directory},target=/var/lib/plimsoll")
        self.assertEqual(self.engine.docker("wait", container).stdout.strip(), "3")
        told = self.engine.docker("logs", container).stdout
        self.assertIn("chown -R 65532", told)

    def test_it_runs_as_any_user_and_without_a_file(self):
        own = "/var/lib/plimsoll:uid=1234,mode=0700"
        container = self.start("--user", "1234", "--tmpfs", own)
        self.wait_for_health(container, "healthy")
        # The image has a file, which is not served: the health check asks the proxy.
        container = self.engine.docker("run", "--detach", "--network=none", *QUICKLY, IMAGE, "proxy", ":9").stdout.strip()
        self.addCleanup(self.engine.docker, "rm", "--force", "--volumes", container)
        self.wait_for_health(container, "healthy")
        self.assertIn("listening on", self.engine.docker("logs", container).stdout)

    def test_a_saved_image_is_loaded_again(self):
        saved = only(self.made, "*-image-*.tar.gz")
        self.engine.docker("tag", IMAGE, "plimsoll:kept")
        self.engine.docker("rmi", IMAGE)
        self.assertIn(IMAGE, self.engine.docker("load", "--input", saved).stdout)
        self.assertIn(f'"version"', self.engine.docker("run", "--rm", *CONFINED, IMAGE, "version", "--json").stdout)

    def test_the_guide_s_own_image_runs_servers_beside_the_program(self):
        need("mmdebstrap")
        page = (ROOT / "docs/guide/running.md").read_text()
        recipe = page.split("```dockerfile\n")[1].split("```")[0]
        self.assertEqual(recipe.count("plimsoll:0.1.0"), 1)
        context = Path(tempfile.mkdtemp(dir=self.made))
        (context / "Dockerfile").write_text(recipe.replace("plimsoll:0.1.0", IMAGE))
        (context / "plimsoll.toml").write_text(
            '[listeners.web]\nbind = "0.0.0.0:80"\n[services.app]\nversion = "1"\n'
            'command = "busybox httpd -f -p 127.0.0.1:$PORT -h /srv/app"\nhealth = { path = "/" }\n'
        )
        (context / "app").mkdir()
        (context / "app" / "index.html").write_text("from the instance\n")
        # The directory is private, and the user in the image another one.
        subprocess.run(["chmod", "-R", "a+rX", context], check=True)
        with subprocess.Popen(["tar", "-C", base(), "-c", "."], stdout=subprocess.PIPE) as files:
            self.engine.docker("import", "-", "debian:12-slim", stdin=files.stdout)
        self.engine.docker("build", "--network=none", "--tag", "ours", context)
        options = ["--detach", "--init", "--network=none", *QUICKLY]
        container = self.engine.docker("run", *options, "ours").stdout.strip()
        self.addCleanup(self.engine.docker, "rm", "--force", "--volumes", container)
        self.wait_for_health(container, "healthy")
        until("the instance serves", lambda: "1 of 1" in self.engine.docker("exec", container, "plimsoll", "status").stdout)
        self.assertEqual(self.engine.get(container, "http://127.0.0.1/"), "from the instance\n")
        self.engine.docker("stop", container)
        self.assertEqual(self.engine.inspect(container, ".State.ExitCode"), "0")


if __name__ == "__main__":
    unittest.main()
