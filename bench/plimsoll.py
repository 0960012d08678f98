"""Plimsoll, as its guide says. Owns its configuration and nothing else.

It has no plain variant: request ids, `X-Forwarded-*` and metrics are always there.
"""

from dataclasses import dataclass
from pathlib import Path

import gate
from deployment import IDLE_SECONDS, Deployment, Front, RouteKey, Routes
from gate import Algorithm, Asked, Gate, LimitKey, Told
from proxy import Command, Skill
from tool import output_of, revision

PROGRAM = Path(__file__).resolve().parent.parent / "target" / "dist" / "plimsoll"


@dataclass(frozen=True)
class Plimsoll:
    """Plimsoll, with one worker."""

    program: str = str(PROGRAM)
    name: str = "plimsoll"
    dressed: bool = False
    skills: frozenset[Skill] = frozenset(Skill)

    def version(self) -> str:
        """As Plimsoll says, and the revision of the sources beside it."""
        return output_of([self.program, "--version"]).split()[1] + revision()

    def prepare(self, deployment: Deployment) -> Command:
        """Writes plimsoll.toml."""
        path = deployment.directory / "plimsoll.toml"
        path.write_text(_configuration(deployment), encoding="utf-8")
        output = deployment.directory / "plimsoll.log"
        return Command(
            [self.program, "run", "-c", str(path)], output, {gate.SECRET_VARIABLE: gate.SECRET}
        )


def _configuration(deployment: Deployment) -> str:
    certificate = deployment.certificate
    files = f'cert = "{certificate.certificate}", key = "{certificate.key}"'
    tls = f"tls = {{ certificates = [{{ {files} }}] }}"
    return f"""
[server]
state_dir = "{deployment.directory}/state"
workers = 1
drain = "1s"

[log]
access = "{deployment.access_log or "off"}"

[listeners.web]
bind = "{deployment.address}"
protocols = ["h1", "h2"]
timeouts = {{ header = "{IDLE_SECONDS}s", idle = "{IDLE_SECONDS}s" }}
{tls if deployment.front is Front.TLS else ""}
{"".join(_service(deployment, name) for name in deployment.services)}
{_gate(deployment, deployment.gate)}
{_routes(deployment, deployment.routes)}
"""


def _gate(deployment: Deployment, wanted: Gate | None) -> str:
    """What each route asks, unless it says otherwise."""
    if wanted is None:
        return ""
    policies, parts = [], []
    if wanted.token is not None:
        parts.append(_authentication(deployment, wanted.token, wanted.told))
        policies.append('auth = "users"')
    if wanted.asked is Asked.SERVICE:
        service = f"http://{deployment.origins[0]}{gate.VERIFY_PATH}"
        parts.append(f'[auth.asked]\nforward = {{ to = "{service}" }}\n')
        policies.append('auth = "asked"')
    if wanted.limit is not None:
        key = {LimitKey.ADDRESS: "ip", LimitKey.SUBJECT: "subject"}[wanted.limit]
        parts.append(f'[limits.each]\nrate = "{gate.RATE}/s"\nkey = "{key}"\n')
        policies.append('limit = "each"')
    return "\n".join([*parts, "[policies]", *policies, ""])


def _authentication(deployment: Deployment, algorithm: Algorithm, told: Told) -> str:
    key = {
        Algorithm.HS256: f'secret_env = "{gate.SECRET_VARIABLE}"',
        Algorithm.ES256: f'keys = "{deployment.keys.public}"',
    }[algorithm]
    claims = f'claims = {{ "{gate.SUBJECT_HEADER}" = "sub" }}' if told is Told.SUBJECT else ""
    return f"""
[auth.users]
jwt = {{ {key}, algorithms = ["{algorithm.value}"], issuer = "{gate.ISSUER}", audience = "{gate.AUDIENCE}" }}
{claims}
"""


def _service(deployment: Deployment, name: str) -> str:
    targets = ", ".join(f'"{origin}"' for origin in deployment.origins)
    return f"""
[services.{name}]
targets = [{targets}]
balance = "least_conn"
health = {{ path = "/health" }}
"""


def _routes(deployment: Deployment, routes: Routes | None) -> str:
    if routes is None:
        return f'[[routes]]\nto = "{deployment.services[0]}"\n'
    return "".join(
        f'[[routes]]\n{_condition(routes.key, value)}\nto = "{service}"\n'
        for value, service in routes.values()
    )


def _condition(key: RouteKey, value: str) -> str:
    return f'path = "{value}*"' if key is RouteKey.PATH else f'host = "{value}"'
