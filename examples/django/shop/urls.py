"""The pages of the shop."""

import os
import time

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

VERSION = os.environ["VERSION"]


def _text(body: str | bytes) -> HttpResponse:
    return HttpResponse(body, content_type="text/plain")


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return _text(f"release {VERSION}\n")


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    return _text("ok\n")


@require_GET
def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(0.5)
    return _text(f"release {VERSION}\n")


@require_POST
def echo(request: HttpRequest) -> HttpResponse:
    return _text(request.body)


urlpatterns = [path("", index), path("health", health), path("slow", slow), path("echo", echo)]
