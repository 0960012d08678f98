"""The API behind the gateway. It signs tokens, and checks nothing: who asks, and how often, was decided before."""

import base64
import hashlib
import hmac
import json
import os
import signal
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLES = {"alice": ["USER"], "bob": ["USER"], "carol": ["USER", "ADMIN"]}
LIFE_SECONDS = 900


def token(name: str) -> str:
    """Says who it is, for fifteen minutes."""
    now = int(time.time())
    claims = {
        "iss": "gateway-example", "aud": "shop", "sub": name, "roles": ROLES[name],
        "iat": now, "exp": now + LIFE_SECONDS, "jti": str(uuid.uuid4()),
    }  # fmt: skip
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.digest(os.environ["JWT_SECRET"].encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64(signature)}"


def _part(value: dict) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Api(BaseHTTPRequestHandler):
    """Responds to what was let in."""

    protocol_version = "HTTP/1.1"
    # Head and body of a response are two writes: the second must not wait for the first's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self.respond(200, "ok\n")
        elif self.path == "/admin/who":
            self.respond(200, f"{self.headers['x-user-id']} is {self.headers['x-roles']}\n")
        elif self.path.startswith("/api/"):
            self.respond(200, f"hello {self.headers['x-user-id']}\n")
        else:
            self.respond(404, "nothing here\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/login":
            name = json.loads(body)["name"]
            self.respond(*((200, f"{token(name)}\n") if name in ROLES else (403, "nobody of that name\n")))
        elif self.path == "/upload":
            self.respond(200, f"{len(body)} bytes\n")
        elif self.path == "/logout":
            self.respond(200, "good bye\n")
        else:
            self.respond(404, "nothing here\n")

    def respond(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The gateway writes the access log."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Api)
    # Nothing is in flight when the gateway asks an instance to stop.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
