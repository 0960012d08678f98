"""The configurations that are made from one deployment."""

import tempfile
import tomllib
import unittest
from pathlib import Path

import rounds
from deployment import Certificate, Deployment, Front, RouteKey, Routes
from gate import Algorithm, Asked, Gate, Keys, LimitKey, Told
from haproxy import HAProxy
from nginx import Nginx
from options import parse
from plimsoll import Plimsoll
from proxy import Proxy


class ConfigurationTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def written(self, proxy: Proxy, name: str, front: Front, routes: Routes | None, gate: Gate | None = None) -> str:
        proxy.prepare(
            Deployment(
                directory=self.directory,
                address="127.0.0.1:8080",
                front=front,
                certificate=Certificate(Path("/c.pem"), Path("/k.pem"), Path("/b.pem")),
                origins=("127.0.0.1:1", "127.0.0.1:2"),
                routes=routes,
                access_log=None,
                gate=gate,
                keys=Keys(Path("/p.pem"), Path("/q.pem")),
                descriptors=1024,
            )
        )
        return (self.directory / name).read_text(encoding="utf-8")

    def test_plimsoll_s_is_toml_with_every_route(self) -> None:
        routes = Routes(RouteKey.PATH, 10)
        made = tomllib.loads(self.written(Plimsoll(), "plimsoll.toml", Front.TLS, routes))
        self.assertEqual(made["server"]["workers"], 1)
        certificates = made["listeners"]["web"]["tls"]["certificates"]
        self.assertEqual(certificates, [{"cert": "/c.pem", "key": "/k.pem"}])
        self.assertEqual(made["services"]["b"]["targets"], ["127.0.0.1:1", "127.0.0.1:2"])
        self.assertEqual(made["routes"][9], {"path": "/r00009/*", "to": "b"})

    def test_plimsoll_s_without_routes_has_one_for_all(self) -> None:
        made = tomllib.loads(self.written(Plimsoll(), "plimsoll.toml", Front.PLAIN, None))
        self.assertNotIn("tls", made["listeners"]["web"])
        self.assertEqual(made["routes"], [{"to": "a"}])

    def test_only_the_dressed_add_headers(self) -> None:
        for plain, dressed, name in (
            (Nginx(dressed=False), Nginx(dressed=True), "nginx.conf"),
            (HAProxy(dressed=False), HAProxy(dressed=True), "haproxy.cfg"),
        ):
            self.assertNotIn("X-Request-Id", self.written(plain, name, Front.PLAIN, None))
            self.assertIn("X-Request-Id", self.written(dressed, name, Front.PLAIN, None))

    def test_routes_are_the_same_for_all(self) -> None:
        routes = Routes(RouteKey.HOST, 3)
        nginx = self.written(Nginx(dressed=False), "nginx.conf", Front.PLAIN, routes)
        self.assertEqual(nginx.count("server_name h0000"), 3)
        haproxy = self.written(HAProxy(dressed=False), "routes.map", Front.PLAIN, routes)
        self.assertEqual(haproxy.splitlines()[2], "h00002.example.com a")


    def test_what_is_asked_of_tokens_is_the_same_for_all(self) -> None:
        asked = Gate(Algorithm.ES256, Told.SUBJECT, LimitKey.SUBJECT)
        made = tomllib.loads(self.written(Plimsoll(), "plimsoll.toml", Front.PLAIN, None, asked))
        users = made["auth"]["users"]
        self.assertEqual(users["jwt"]["keys"], "/q.pem")
        self.assertEqual(users["claims"], {"x-user-id": "sub"})
        self.assertEqual(made["limits"]["each"]["key"], "subject")
        self.assertEqual(made["policies"], {"auth": "users", "limit": "each"})
        haproxy = self.written(HAProxy(dressed=False), "haproxy.cfg", Front.PLAIN, None, asked)
        for part in (users["jwt"]["issuer"], users["jwt"]["audience"], "/q.pem", "x-user-id", "lt 0", "track-sc0 var(txn.sub)"):
            self.assertIn(part, haproxy)

    def test_who_asks_a_service_tells_it_the_same(self) -> None:
        asked = Gate(asked=Asked.SERVICE)
        made = tomllib.loads(self.written(Plimsoll(), "plimsoll.toml", Front.PLAIN, None, asked))
        self.assertEqual(made["auth"]["asked"]["forward"], {"to": "http://127.0.0.1:1/verify"})
        self.assertEqual(made["policies"], {"auth": "asked"})
        nginx = self.written(Nginx(dressed=False), "nginx.conf", Front.PLAIN, None, asked)
        told = ("Method", "Proto", "Host", "Uri", "For")
        for part in ("auth_request /_verify;", "http://verify/verify;", *(f"X-Forwarded-{it}" for it in told)):
            self.assertIn(part, nginx)
        self.assertNotIn("auth_request", self.written(Nginx(dressed=False), "nginx.conf", Front.PLAIN, None))


class ScheduleTest(unittest.TestCase):
    def test_only_what_asks_a_service_is_measured_with_one(self) -> None:
        plan = [(case.name, proxy.name) for _, case, proxy in rounds.schedule(parse(["--cases", "auth-request", "--rounds", "1"]))]
        self.assertEqual({name for _, name in plan}, {"nginx", "plimsoll"})

    def test_only_what_knows_tokens_is_measured_with_them(self) -> None:
        options = parse(["--cases", "limit,gate-es256", "--rounds", "1"])
        plan = [(case.name, proxy.name) for _, case, proxy in rounds.schedule(options)]
        self.assertIn(("limit", "nginx"), plan)
        self.assertNotIn(("gate-es256", "nginx"), plan)
        self.assertIn(("gate-es256", "haproxy"), plan)

    def test_each_proxy_runs_once_in_a_round_and_another_goes_first_in_the_next(self) -> None:
        options = parse(["--cases", "body-10k", "--rounds", "3"])
        order = [(number, proxy.name) for number, _, proxy in rounds.schedule(options)]
        self.assertEqual([name for number, name in order if number == 1],
                         ["nginx", "haproxy", "plimsoll"])  # fmt: skip
        self.assertEqual([name for number, name in order if number == 2],
                         ["haproxy", "plimsoll", "nginx"])  # fmt: skip

    def test_dressed_proxies_run_only_where_a_case_asks_for_them(self) -> None:
        options = parse(["--cases", "keepalive-64,body-1m", "--rounds", "1"])
        plan = [(case.name, proxy.name) for _, case, proxy in rounds.schedule(options)]
        self.assertIn(("keepalive-64", "nginx-dressed"), plan)
        self.assertNotIn(("body-1m", "nginx-dressed"), plan)
