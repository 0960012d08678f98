"""Clients that send at a constant rate, whatever comes back, and count what failed.

Owns no process: `client.py` runs an example's own client. Nothing is sent twice, and what is not exactly the response
that the request should have is a failure.
"""

import http.client
import itertools
import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

PERIOD_SECONDS = 1 / 40
TIMEOUT_SECONDS = 15
"""Longer than anything that a request may wait for."""
REASONS_MAX = 10
RELEASE = re.compile(r"release (\w+)")
"""How a response says which release it comes from, be it a text or a page."""
HEADERS = {"Host": "localhost", "Content-Type": "text/plain"}
"""Django serves hosts that it knows, and without a type several frameworks read no body."""


@dataclass
class Counts:
    """What became of the requests."""

    sent: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    """Of the first that failed."""
    releases: Counter[str] = field(default_factory=Counter)
    """How many responses each release gave."""


@dataclass(frozen=True)
class Request:
    """One that an example has a response for."""

    method: str
    path: str
    body: str = ""

    def fault(self, status: int, body: str) -> str | None:
        """Why that is not its response."""
        if status != 200:
            return f"status {status}: {body[:200]!r}"
        if self.body and body != self.body:
            return f"another body came back: {body[:200]!r}"
        return None


PAGE = Request("GET", "/")
SLOW = Request("GET", "/slow")


def dynamic() -> Iterator[Request]:
    """Pages, requests that take half a second, and such as may never be sent twice."""
    for number in itertools.count():
        # A unique body shows a response that belongs to another request.
        yield from (PAGE, Request("POST", "/echo", f"order {number} " * 20), PAGE, SLOW)


def static() -> Iterator[Request]:
    """One page, for what has no more."""
    return itertools.repeat(PAGE)


class HttpLoad:
    """Sends `requests` to an address until it is stopped."""

    def __init__(self, address: str, requests: Iterator[Request]) -> None:
        """Begins to send."""
        self._address = address
        self._requests = requests
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._counts = Counts()
        self._thread = threading.Thread(target=self._send_all)
        self._thread.start()

    def sent(self) -> int:
        """How many so far."""
        return self._counts.sent

    def stop(self) -> Counts:
        """Stops it, and waits for what is open."""
        self._stop.set()
        self._thread.join()
        while not self._idle.empty():
            self._idle.get().close()
        return self._counts

    def _send_all(self) -> None:
        due = time.monotonic()
        # As many as can be open at all, so that no request waits for a thread.
        with ThreadPoolExecutor(int(TIMEOUT_SECONDS / PERIOD_SECONDS)) as threads:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                threads.submit(self._send, next(self._requests), self._counts.sent)
                self._counts.sent += 1
                due += PERIOD_SECONDS

    def _send(self, request: Request, number: int) -> None:
        # Every third comes on a connection of its own.
        is_new = number % 3 == 0
        connection = self._connection(is_new=is_new)
        try:
            connection.request(request.method, request.path, request.body or None, HEADERS)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
            fault = request.fault(response.status, body)
        except (OSError, http.client.HTTPException) as error:
            body, fault = "", f"{type(error).__name__}: {error}"
            is_new = True
        if is_new:
            connection.close()
        else:
            self._idle.put(connection)
        self._count(request, body, fault)

    def _connection(self, *, is_new: bool) -> http.client.HTTPConnection:
        try:
            if not is_new:
                return self._idle.get_nowait()
        except queue.Empty:
            pass
        return http.client.HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)

    def _count(self, request: Request, body: str, fault: str | None) -> None:
        with self._lock:
            if fault is not None:
                self._counts.failed += 1
                self._counts.reasons = [
                    *self._counts.reasons, f"{request.method} {request.path}: {fault}"
                ][:REASONS_MAX]  # fmt: skip
            elif not request.body:
                found = RELEASE.search(body)
                self._counts.releases[found[1] if found else body.strip()] += 1
