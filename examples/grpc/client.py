"""Calls the shop thirty times a second until it is asked to stop (Ctrl-C), and prints what it counted.

An open loop: a call is sent when it is due, whether or not earlier ones have ended. Nothing is sent twice.
"""

import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

import shop_pb2
import shop_pb2_grpc

PERIOD_SECONDS = 1 / 30
DEADLINE_SECONDS = 10


def main() -> None:
    shop = shop_pb2_grpc.ShopStub(grpc.insecure_channel(sys.argv[1]))
    counts = {"sent": 0, "failed": 0, "reasons": [], "releases": {}}
    lock = threading.Lock()
    stop = threading.Event()
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda *_: stop.set())

    def call(number: int) -> None:
        request = shop_pb2.PriceRequest(product=f"product-{number}")
        try:
            # Every tenth call is a stream.
            replies = (
                list(shop.Watch(request, timeout=DEADLINE_SECONDS))
                if number % 10 == 0
                else [shop.Price(request, timeout=DEADLINE_SECONDS)]
            )
            wrong = any(reply.product != request.product for reply in replies)
            fault = "another product" if wrong else None
            release = replies[-1].release
        except grpc.RpcError as error:
            fault, release = f"{error.code()}: {error.details()}", None
        with lock:
            if fault:
                counts["failed"] += 1
                counts["reasons"] = [*counts["reasons"], fault][:10]
            else:
                counts["releases"][release] = counts["releases"].get(release, 0) + 1

    with ThreadPoolExecutor(64) as threads:
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            threads.submit(call, counts["sent"])
            counts["sent"] += 1
            due += PERIOD_SECONDS
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
