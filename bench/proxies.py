"""The proxies that are measured, in the order of the tables."""

from haproxy import HAProxy
from nginx import Nginx
from plimsoll import Plimsoll
from proxy import Proxy
from relay import Relay

SUBJECT = "plimsoll"
"""The one that the ratios are of."""


def all_proxies() -> tuple[Proxy, ...]:
    """All of them."""
    return (
        Nginx(dressed=False),
        HAProxy(dressed=False),
        Plimsoll(),
        Nginx(dressed=True),
        HAProxy(dressed=True),
        Relay(),
    )
