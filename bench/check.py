"""Whether a proxy answers, and answers right: a fast proxy that answers wrong is worth nothing."""

import http.client
import ssl

import h2load
import origin
import port
from case import Case, Http1Load, Http2Load
from deployment import Deployment, Front, RouteKey, Routes
from load import LoadError

TIMEOUT_SECONDS = 5


class WrongAnswer(Exception):
    """A proxy does not answer as it should."""


def answers(case: Case, deployment: Deployment) -> str:
    """Asks a proxy what the case will ask it. Returns what TLS was negotiated, if any.

    Raises `WrongAnswer` where an answer is wrong or does not come.
    """
    try:
        if deployment.front is Front.H2C:
            return _by_h2load(case, deployment)
        cipher = _by_http1(case, deployment)
        return _by_h2load(case, deployment) if isinstance(case.load, Http2Load) else cipher
    except (OSError, http.client.HTTPException, LoadError) as error:
        raise WrongAnswer(f"{type(error).__name__}: {error}") from error


def _by_h2load(case: Case, deployment: Deployment) -> str:
    assert isinstance(case.load, Http2Load), "only HTTP/2 is asked of this front"
    report = h2load.once(case.load, deployment)
    if report.errors or report.body_bytes_min != case.load.answer_bytes:
        raise WrongAnswer(f"h2load got {report}")
    return report.cipher


def _by_http1(case: Case, deployment: Deployment) -> str:
    if deployment.routes is not None:
        _follow_routes(deployment, deployment.routes)
        return ""
    load = case.load
    path, answer_bytes, upload = "/", 128, b""
    if isinstance(load, Http1Load):
        path, answer_bytes, upload = load.path, load.answer_bytes, b"x" * load.upload_bytes
    status, body, cipher = _exchange(deployment, path, deployment.client_headers, upload)
    # An origin answers an upload with the number of bytes that it has read.
    expected = str(len(upload)).encode() if upload else origin.body(answer_bytes)
    if status != 200 or body != expected:
        raise WrongAnswer(f"{path}: status {status} with {len(body)} bytes")
    if deployment.client_headers:
        _expect_refusal(deployment, path)
    return cipher


def _expect_refusal(deployment: Deployment, path: str) -> None:
    """A proxy that lets in what has no token, or a forged one, is fast for nothing."""
    forged = {name: f"{value[:-8]}AAAAAAAA" for name, value in deployment.client_headers.items()}
    for headers in ({}, forged):
        status, _, _ = _exchange(deployment, path, headers, b"")
        if status != 401:
            raise WrongAnswer(f"{path}: status {status} to a request with {headers or 'no token'}")


def _follow_routes(deployment: Deployment, routes: Routes) -> None:
    for index in {0, routes.count // 2, routes.count - 1}:
        status = _route_status(deployment, routes.key, routes.value(index))
        if status != 200:
            raise WrongAnswer(f"route {routes.value(index)}: status {status}")
    beyond = routes.value(routes.count)
    status = _route_status(deployment, routes.key, beyond)
    if status < 400:
        raise WrongAnswer(f"{beyond} has no route, and yet its status is {status}")


def _route_status(deployment: Deployment, key: RouteKey, value: str) -> int:
    by_path = key is RouteKey.PATH
    path, headers = (f"{value}item", {}) if by_path else ("/", {"Host": value})
    status, _, _ = _exchange(deployment, path, headers, b"")
    return status


def _exchange(
    deployment: Deployment, path: str, headers: dict[str, str], upload: bytes
) -> tuple[int, bytes, str]:
    """Status, body, and what TLS was negotiated."""
    host, number = port.parts(deployment.address)
    connection: http.client.HTTPConnection
    if deployment.front is Front.TLS:
        connection = http.client.HTTPSConnection(
            host, number, timeout=TIMEOUT_SECONDS, context=tls_context()
        )
    else:
        connection = http.client.HTTPConnection(host, number, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST" if upload else "GET", path, upload or None, headers)
        cipher = _negotiated(connection.sock)
        answer = connection.getresponse()
        return answer.status, answer.read(), cipher
    finally:
        connection.close()


def tls_context() -> ssl.SSLContext:
    """A client that offers what wrk offers: OpenSSL's defaults. It trusts anyone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _negotiated(connection: object) -> str:
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    cipher = connection.cipher()
    return f"{connection.version()} {cipher[0] if cipher else ''}"
