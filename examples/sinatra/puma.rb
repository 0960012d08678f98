# Puma's own default is 0.0.0.0, which lets clients past Plimsoll.
port ENV.fetch('PORT'), '127.0.0.1'
environment 'production'
threads 8, 8
# Longer than Plimsoll keeps an idle connection (50 s), so that Plimsoll closes first. The default is 20 s.
persistent_timeout 65
# What open requests get after SIGTERM; shorter than stop.timeout in plimsoll.toml. By default Puma waits for ever.
force_shutdown_after 25
