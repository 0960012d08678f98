"""One measurement, as it is kept: flat, so that it can be written as JSON.

Figures by name: `cpu_us`, `user_us`, `system_us` (CPU time of the proxy for one request),
`requests_per_second`, `p50_us`, `p99_us`, `pss_bytes`, `rss_bytes`, `proxy_core`, `load_core`
(shares of the time, from 0 to 1; the proxy's own), `foreign` (share of the proxy's core that
others had); of idle connections `idle_bytes`, `fresh_bytes` (PSS for each, after and before its
first request) and `idle_rss_bytes`.
"""

from dataclasses import dataclass, field

FOREIGN_MAX = 0.05
"""The share of the proxy's core that others may have before a measurement counts as disturbed."""


@dataclass(frozen=True)
class Record:
    """What one proxy did in one round of one case."""

    case: str
    proxy: str
    round: int
    figures: dict[str, float] = field(default_factory=dict)
    cipher: str = ""
    problems: tuple[str, ...] = ()
    """Why the figures must not be used; empty when they may."""

    @property
    def load_bound(self) -> bool:
        """Whether the generator's core was full while the proxy's was not."""
        figures = self.figures
        return figures.get("load_core", 0) > 0.97 and figures.get("proxy_core", 1) < 0.95

    @property
    def disturbed(self) -> bool:
        """Whether others had a notable share of the proxy's core."""
        return self.figures.get("foreign", 0) > FOREIGN_MAX
