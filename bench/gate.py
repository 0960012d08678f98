"""What is asked of requests before they are forwarded: a token, a limit, another service. In no proxy's language.

Owns the tokens and the keys that they are checked with; it must never know a proxy.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ISSUER = "https://id.example.com"
AUDIENCE = "shop"
SUBJECT = "alice"
LIFE_SECONDS = 86_400
SECRET = "2b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfe"
"""What tokens are signed with by HS256. It guards nothing."""
SECRET_VARIABLE = "BENCH_JWT_SECRET"
RATE = 1_000_000
"""Requests a second that the limit lets pass: more than any proxy forwards, so that none is refused."""
P256_BYTES = 32
SUBJECT_HEADER = "x-user-id"
VERIFY_PATH = "/verify"
"""Where an origin says of a request whether it is let in: by `PASS`, or not at all."""
PASS = "Bearer 7c9e6679-7425-40de-944b-e07fc1f90ae7"
"""What that lets in. The origin knows it, too."""
DISTINCT_REQUESTS = 1_024
"""So many requests differ before one comes again: more than are ever under way, so that each is asked of by itself."""


class Algorithm(Enum):
    """What signs the token."""

    HS256 = "HS256"
    ES256 = "ES256"


class LimitKey(Enum):
    """Whose requests a limit counts together."""

    ADDRESS = "address"
    SUBJECT = "subject"


class Told(Enum):
    """What instances are told of a token."""

    NOTHING = "nothing"
    SUBJECT = "subject"


class Asked(Enum):
    """Who is asked of each request whether it is let in."""

    NOBODY = "nobody"
    SERVICE = "service"
    """Another server, by a request of the proxy's own."""


@dataclass(frozen=True)
class Gate:
    """What is asked of each request."""

    token: Algorithm | None = None
    """That it has a token of the issuer for the audience, which has not expired and has this signature."""
    told: Told = Told.NOTHING
    limit: LimitKey | None = None
    asked: Asked = Asked.NOBODY
    sent: Algorithm | None = None
    """That clients send such a token, of which nothing is asked: what a longer head costs by itself."""


@dataclass(frozen=True)
class Keys:
    """What signs and checks tokens by ES256, made for this run."""

    private: Path
    public: Path

    @classmethod
    def make(cls, directory: Path) -> "Keys":
        """A pair on P-256."""
        made = cls(directory / "issuer.pem", directory / "issuer.pub.pem")
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(made.private))
        _openssl("ec", "-in", str(made.private), "-pubout", "-out", str(made.public))
        return made


def headers(gate: Gate | None, keys: Keys) -> dict[str, str]:
    """What a client sends to be let in."""
    if gate is not None and gate.asked is Asked.SERVICE:
        return {"Authorization": PASS}
    algorithm = None if gate is None else gate.token or gate.sent
    return {} if algorithm is None else {"Authorization": f"Bearer {token(algorithm, keys)}"}


def token(algorithm: Algorithm, keys: Keys) -> str:
    """One that is good for a day."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "iat": now, "exp": now + LIFE_SECONDS, "roles": ["USER"]}
    signed = f"{_coded({'alg': algorithm.value, 'typ': 'JWT'})}.{_coded(claims)}"
    if algorithm is Algorithm.HS256:
        signature = hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
    else:
        signature = _joined(_openssl("dgst", "-sha256", "-sign", str(keys.private), stdin=signed.encode()))
    return f"{signed}.{_base64(signature)}"


def _joined(der: bytes) -> bytes:
    """Both numbers of a signature, as a token has them, of a DER sequence of two integers."""
    first = der[4 : 4 + der[3]]
    second = der[6 + der[3] :]
    return b"".join(number.lstrip(b"\0").rjust(P256_BYTES, b"\0") for number in (first, second))


def _coded(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments: str, stdin: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout
