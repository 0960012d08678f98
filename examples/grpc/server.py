"""A small shop's API over gRPC. Plimsoll gives each instance its port and the release's version."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import shop_pb2
import shop_pb2_grpc

VERSION = os.environ["VERSION"]
GRACE_SECONDS = 25
"""What open calls get after SIGTERM; shorter than stop.timeout in plimsoll.toml."""


class Shop(shop_pb2_grpc.ShopServicer):
    """Knows the prices."""

    def Price(self, request, context):  # noqa: N802, the name is the protocol's
        return _reply(request.product)

    def Watch(self, request, context) -> Iterator:  # noqa: N802
        for _ in range(5):
            yield _reply(request.product)
            time.sleep(0.1)


def _reply(product: str) -> shop_pb2.PriceReply:
    return shop_pb2.PriceReply(product=product, cents=100 * len(product), release=VERSION)


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(32))
    shop_pb2_grpc.add_ShopServicer_to_server(Shop(), server)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    stop = threading.Event()
    # Without a handler Python ends at once, in the middle of calls.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    checks.set("shop.v1.Shop", health_pb2.HealthCheckResponse.SERVING)
    print(f"release {VERSION} serves", flush=True)
    stop.wait()
    checks.enter_graceful_shutdown()
    server.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
