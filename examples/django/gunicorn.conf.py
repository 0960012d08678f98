"""Read by gunicorn from the directory that it starts in."""

import os

# gunicorn's own default for $PORT is 0.0.0.0, which lets clients past Plimsoll.
bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 2
# Threads keep connections open for the next request; the default worker (sync) closes each one.
worker_class = "gthread"
threads = 8
# Longer than Plimsoll keeps an idle connection (50 s), so that Plimsoll closes first. The default is 2 s.
keepalive = 65
# What open requests get after SIGTERM; shorter than stop.timeout in plimsoll.toml.
graceful_timeout = 25
# All instances would have their control socket in the same place.
control_socket_disable = True
