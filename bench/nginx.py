"""nginx as a team that cares for speed would set it up. Owns its configuration and nothing else.

The plain variant adds no header and does no duty that it was not asked for. The dressed one tells
the servers behind it what Plimsoll always tells them.
"""

import os
from dataclasses import dataclass

import gate
from deployment import CLIENT_CONNECTIONS, IDLE_SECONDS, Deployment, Front, RouteKey
from gate import Asked, Gate
from proxy import Command, Skill
from tool import output_of, package_version

DRESS = """
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id;"""


@dataclass(frozen=True)
class Nginx:
    """nginx, with one worker."""

    dressed: bool
    skills: frozenset[Skill] = frozenset({Skill.TLS, Skill.LIMIT, Skill.ASK})
    program: str = "nginx"

    @property
    def name(self) -> str:
        """How it is called."""
        return "nginx-dressed" if self.dressed else "nginx"

    def version(self) -> str:
        """As nginx and the package manager say."""
        return output_of([self.program, "-v"]).split("/")[-1] + package_version("nginx")

    def prepare(self, deployment: Deployment) -> Command:
        """Writes nginx.conf."""
        directory = deployment.directory
        path = directory / "nginx.conf"
        path.write_text(self._configuration(deployment), encoding="utf-8")
        log = directory / "error.log"
        arguments = [self.program, "-p", str(directory), "-e", str(log), "-c", str(path)]
        return Command(arguments, log)

    def _configuration(self, deployment: Deployment) -> str:
        directory = deployment.directory
        # A worker of another user could not enter the harness's directory.
        user = "user root;" if os.geteuid() == 0 else ""
        log = "off"
        if deployment.access_log:
            log = f"{deployment.access_log} combined buffer=64k flush=1s"
        return f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {deployment.descriptors};
pid {directory}/nginx.pid;
events {{
    worker_connections {2 * CLIENT_CONNECTIONS};
    multi_accept off;
}}
http {{
    access_log {log};
    keepalive_timeout {IDLE_SECONDS}s;
    keepalive_requests 1000000000;
    client_header_timeout {IDLE_SECONDS}s;
    client_max_body_size 10m;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    ssl_certificate {deployment.certificate.certificate};
    ssl_certificate_key {deployment.certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    # As the others do: an upload passes through. By default it would be written to a file first.
    proxy_request_buffering off;
    proxy_http_version 1.1;
{_limit(deployment.gate)}
{"".join(self._upstream(deployment, name, deployment.origins) for name in deployment.services)}
{self._service(deployment)}
{self._servers(deployment)}
}}
"""

    def _service(self, deployment: Deployment) -> str:
        """What is asked of requests."""
        return self._upstream(deployment, "verify", deployment.origins[:1]) if _asks(deployment.gate) else ""

    def _upstream(self, deployment: Deployment, name: str, origins: tuple[str, ...]) -> str:
        servers = "".join(f"        server {origin};\n" for origin in origins)
        return f"""
    upstream {name} {{
        least_conn;
{servers}
        # More than any case has requests under way: a smaller pool opens and closes all the time.
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout {IDLE_SECONDS}s;
    }}"""

    def _servers(self, deployment: Deployment) -> str:
        listen = f"{deployment.address}{_listen_options(deployment.front)}"
        first = f"{listen} reuseport backlog=4096 default_server"
        routes = deployment.routes
        if routes is None:
            return _server(first, _asking(deployment.gate), self._location("/", deployment.services[0]))
        if routes.key is RouteKey.PATH:
            locations = [self._location(value, service) for value, service in routes.values()]
            return _server(first, "", "location / { return 404; }" + "".join(locations))
        hosts = [
            _server(listen, f"server_name {value};", self._location("/", service))
            for value, service in routes.values()
        ]
        return _server(first, "", "return 404;") + "".join(hosts)

    def _location(self, prefix: str, service: str) -> str:
        return f"""
        location {prefix} {{
            proxy_pass http://{service};
            proxy_set_header Connection "";{DRESS if self.dressed else ""}
        }}"""


def _limit(wanted: Gate | None) -> str:
    """By address: the subject of a token is something that only its commercial edition knows."""
    if wanted is None or wanted.limit is None:
        return ""
    return f"""
    limit_req_zone $binary_remote_addr zone=each:10m rate={gate.RATE}r/s;
    limit_req zone=each burst={gate.RATE} nodelay;
    limit_req_status 429;"""


def _asks(wanted: Gate | None) -> bool:
    return wanted is not None and wanted.asked is Asked.SERVICE


def _asking(wanted: Gate | None) -> str:
    """What Plimsoll tells the service that it asks, too. No subrequest is asked of itself."""
    if not _asks(wanted):
        return ""
    return f"""
        auth_request /_verify;
        location = /_verify {{
            internal;
            proxy_pass http://verify{gate.VERIFY_PATH};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-Method $request_method;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Uri $request_uri;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}"""


def _listen_options(front: Front) -> str:
    return {Front.PLAIN: "", Front.TLS: " ssl http2", Front.H2C: " http2"}[front]


def _server(listen: str, name: str, content: str) -> str:
    return f"""
    server {{
        listen {listen};
        {name}
        {content}
    }}"""
