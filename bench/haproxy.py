"""HAProxy as a team that cares for speed would set it up. Owns its configuration and nothing else.

The plain variant adds no header; the dressed one tells the servers what Plimsoll always tells them.
"""

from dataclasses import dataclass

import gate
from deployment import CLIENT_CONNECTIONS, IDLE_SECONDS, Deployment, Front, RouteKey, Routes
from gate import Algorithm, Gate, LimitKey, Told
from proxy import Command, Skill
from tool import output_of

DRESS = """
    option forwardfor
    unique-id-format %[uuid()]
    unique-id-header X-Request-Id
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
    http-request set-header X-Forwarded-Host %[req.hdr(host)]"""


@dataclass(frozen=True)
class HAProxy:
    """HAProxy, with one thread."""

    dressed: bool
    # Another service it asks by Lua alone, which its package does not bring.
    skills: frozenset[Skill] = frozenset({Skill.TLS, Skill.LIMIT, Skill.TOKEN})
    program: str = "haproxy"

    @property
    def name(self) -> str:
        """How it is called."""
        return "haproxy-dressed" if self.dressed else "haproxy"

    def version(self) -> str:
        """As HAProxy says; it names its Debian package itself."""
        return output_of([self.program, "-v"]).split()[2]

    def prepare(self, deployment: Deployment) -> Command:
        """Writes haproxy.cfg, and a map for the routes."""
        if deployment.routes:
            lines = (f"{value} {service}\n" for value, service in deployment.routes.values())
            (deployment.directory / "routes.map").write_text("".join(lines), encoding="utf-8")
        path = deployment.directory / "haproxy.cfg"
        path.write_text(self._configuration(deployment), encoding="utf-8")
        # It writes access logs to no file, but to a standard output that is one.
        output = deployment.access_log or deployment.directory / "haproxy.log"
        return Command([self.program, "-db", "-f", str(path)], output)

    def _configuration(self, deployment: Deployment) -> str:
        log = ""
        if deployment.access_log:
            log = "log stdout format raw local0 info\n    option httplog"
        backends = "".join(_backend(deployment, name) for name in deployment.services)
        return f"""
global
    nbthread 1
    maxconn {CLIENT_CONNECTIONS}
    # Fewer descriptors than twice maxconn are enough for every case.
    no strict-limits
    ssl-default-bind-options ssl-min-ver TLSv1.2 prefer-client-ciphers

defaults
    mode http
    http-reuse always
    timeout connect 3s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
    timeout http-request {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s

frontend web
    bind {deployment.address}{_bind_options(deployment)} backlog 4096
    {log}{DRESS if self.dressed else ""}
{_gate(deployment, deployment.gate)}
    {_routing(deployment, deployment.routes)}
{backends}
"""


def _gate(deployment: Deployment, wanted: Gate | None) -> str:
    if wanted is None:
        return ""
    token = "" if wanted.token is None else _token(deployment, wanted.token)
    if wanted.told is Told.SUBJECT:
        token += f"    http-request set-header {gate.SUBJECT_HEADER} %[var(txn.sub)]\n"
    return token + ("" if wanted.limit is None else _limit(wanted.limit))


def _token(deployment: Deployment, algorithm: Algorithm) -> str:
    key = {Algorithm.HS256: f'"{gate.SECRET}"', Algorithm.ES256: f'"{deployment.keys.public}"'}[algorithm]
    return f"""
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
    http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm.value} }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {gate.ISSUER} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {gate.AUDIENCE} }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,{key}) 1 }}
"""


def _limit(key: LimitKey) -> str:
    kind, tracked = {
        LimitKey.ADDRESS: ("ip", "src"), LimitKey.SUBJECT: ("string len 64", "var(txn.sub)")
    }[key]  # fmt: skip
    return f"""
    stick-table type {kind} size 100k expire 10s store http_req_rate(1s)
    http-request track-sc0 {tracked}
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {gate.RATE} }}
"""


def _bind_options(deployment: Deployment) -> str:
    match deployment.front:
        case Front.PLAIN:
            return ""
        case Front.TLS:
            return f" ssl crt {deployment.certificate.both} alpn h2,http/1.1"
        case Front.H2C:
            return " proto h2"


def _routing(deployment: Deployment, routes: Routes | None) -> str:
    if routes is None:
        return f"default_backend {deployment.services[0]}"
    table = deployment.directory / "routes.map"
    if routes.key is RouteKey.PATH:
        return f"use_backend %[path,map_beg({table})]"
    return f"use_backend %[req.hdr(host),field(1,:),lower,map({table})]"


def _backend(deployment: Deployment, name: str) -> str:
    servers = "".join(
        f"    server origin{index} {origin} check inter 2s\n"
        for index, origin in enumerate(deployment.origins)
    )
    return f"""
backend {name}
    balance leastconn
    option httpchk GET /health
{servers}"""
