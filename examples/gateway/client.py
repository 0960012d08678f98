"""What a client does, and what the gateway has to say to it, at one edge or at two: `python3 client.py EDGE [EDGE]`.

It is the app, so it knows APP_SECRET. Ends with 1 where something is not as it should be.
"""

import hashlib
import hmac
import http.client
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass

MIB = 1 << 20
PER_SECOND = 7
LAG_SECONDS = 1.1
SOON_SECONDS = 10.0


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str


def ask(edge: str, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
    """Sends one request."""
    connection = http.client.HTTPConnection(edge, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, named)
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def signed(method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers that make a request the app's own. Each request needs new ones."""
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    text = "\n".join([method, path, timestamp, nonce, hashlib.sha256(body).hexdigest()])
    signature = hmac.digest(os.environ["APP_SECRET"].encode(), text.encode(), hashlib.sha256).hex()
    return {"x_timestamp": timestamp, "x_nonce": nonce, "x_signature": signature}


def log_in(edge: str, name: str) -> str:
    """The token of somebody."""
    body = json.dumps({"name": name}).encode()
    response = ask(edge, "POST", "/login", body, **signed("POST", "/login", body))
    expect(f"{name} logs in", response, 200)
    return f"Bearer {response.text.strip()}"


def expect(what: str, response: Response, status: int, text: str | None = None) -> None:
    """Says what came, and ends where it is something else."""
    if response.status != status or (text is not None and response.text != text):
        print(f"{what}: {response.status} {response.text!r}, and not {status} {text or ''}")
        sys.exit(1)
    print(f"{what}: {status}")


def soon(edge: str, token: str, status: int) -> Response:
    """What the API says to a token, once that is `status`, or when it has taken too long."""
    until = time.monotonic() + SOON_SECONDS
    while (response := ask(edge, "GET", "/api/x", authorization=token)).status != status and time.monotonic() < until:
        time.sleep(0.1)
    return response


def logins(here: str, there: str) -> None:
    """A signature is good for one request, and for the body that was signed."""
    body = b'{"name": "alice"}'
    headers = signed("POST", "/login", body)
    expect("an unsigned login", ask(here, "POST", "/login", body), 401)
    expect("a login whose body was changed", ask(here, "POST", "/login", b'{"name": "carol"}', **headers), 401)
    expect("a signed login", ask(here, "POST", "/login", body, **headers), 200)
    expect("the same again", ask(here, "POST", "/login", body, **headers), 401)
    expect("the same again, at the other edge", ask(there, "POST", "/login", body, **headers), 401)


def roles(edge: str, alice: str, carol: str) -> None:
    """Claims decide, and are told."""
    expect("the API without a token", ask(edge, "GET", "/api/x"), 401)
    expect("a forged token", ask(edge, "GET", "/api/x", authorization=f"{alice[:-6]}AAAAAA"), 401)
    shadowed = ask(edge, "GET", "/api/x", authorization=alice, x_user_id="carol")
    expect("alice, who says that she is carol", shadowed, 200, "hello alice\n")
    expect("alice at the admin's", ask(edge, "GET", "/admin/who", authorization=alice), 403)
    expect("carol at the admin's", ask(edge, "GET", "/admin/who", authorization=carol), 200, "carol is USER,ADMIN\n")


def uploads(edge: str, alice: str) -> None:
    """Five MiB, and not a byte more."""
    fits = ask(edge, "POST", "/upload", b"x" * (5 * MIB), authorization=alice)
    expect("an upload of 5 MiB", fits, 200, f"{5 * MIB} bytes\n")
    expect("one byte more", ask(edge, "POST", "/upload", b"x" * (5 * MIB + 1), authorization=alice), 413)


def limits(here: str, there: str, alice: str, bob: str) -> None:
    """Seven requests a second for each user, whichever edge they are sent to."""
    # Her bucket is full again.
    time.sleep(1)
    began = time.monotonic()
    asked = [ask((here, there)[turn % 2], "GET", "/api/x", authorization=alice) for turn in range(60)]
    seconds = time.monotonic() - began
    passed = sum(response.status == 200 for response in asked)
    refused = [response for response in asked if response.status == 429]
    # What flows in meanwhile, and of each edge a bucket and what it may give before it has heard of the other
    # (docs/guide/limits.md says where that comes from).
    most = int(PER_SECOND * seconds + 2 * (PER_SECOND + PER_SECOND * LAG_SECONDS))
    print(f"of {len(asked)} requests of alice in {seconds:.1f} s, {passed} passed; {len(refused)}: 429")
    if passed + len(refused) != len(asked) or not PER_SECOND <= passed <= most or "Retry-After" not in refused[0].headers:
        sys.exit(f"between {PER_SECOND} and {most} should have passed, and the others be told when to come again")
    expect("bob meanwhile", ask(here, "GET", "/api/x", authorization=bob), 200, "hello bob\n")
    expect("alice, when it has flowed in again", soon(there, alice, 200), 200)


def logouts(here: str, there: str, bob: str) -> None:
    """A token that was given back is good nowhere."""
    expect("bob logs out", ask(here, "POST", "/logout", authorization=bob), 200)
    for edge in (here, there):
        response = soon(edge, bob, 401)
        expect(f"his token, a moment later, at {edge}", response, 401)


def guesses(here: str, there: str) -> None:
    """Ten logins a minute from an address, then no more."""
    statuses = []
    for turn in range(30):
        statuses.append(ask((here, there)[turn % 2], "POST", "/login", b"{}").status)
    if set(statuses) - {401, 429} or statuses[-1] != 429:
        sys.exit(f"thirty guesses: {statuses}")
    print(f"thirty guesses: {statuses.count(401)} times 401, then 429")


def main(here: str, there: str) -> None:
    logins(here, there)
    alice, bob, carol = (log_in(here, name) for name in ("alice", "bob", "carol"))
    roles(there, alice, carol)
    uploads(here, alice)
    limits(here, there, alice, bob)
    logouts(here, there, bob)
    guesses(here, there)


if __name__ == "__main__":
    edges = sys.argv[1:] or ["localhost:8080"]
    main(edges[0], edges[-1])
