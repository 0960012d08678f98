"""The one certificate that all proxies show: ECDSA on P-256, made for this run."""

import subprocess
from pathlib import Path

from deployment import Certificate


def make(directory: Path) -> Certificate:
    """Makes a certificate for `localhost`, good for a day."""
    made = Certificate(directory / "cert.pem", directory / "key.pem", directory / "both.pem")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-nodes", "-days", "1",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(made.key), "-out", str(made.certificate),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    made.both.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    return made
