"""The settings of a small shop behind Plimsoll."""

import os

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"

# The hosts that clients ask for. Health checks ask for one of them, too: see `health.host` in plimsoll.toml.
ALLOWED_HOSTS = ["shop.example.com", "localhost"]

# Plimsoll removes what clients send under this name and writes its own.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_X_FORWARDED_HOST = False

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
