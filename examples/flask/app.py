"""A small shop's API. Plimsoll gives each instance its port and the release's version."""

import os
import time

from flask import Flask, Response, request

VERSION = os.environ["VERSION"]
app = Flask(__name__)


@app.get("/")
def index() -> Response:
    return Response(f"release {VERSION}\n", mimetype="text/plain")


@app.get("/health")
def health() -> Response:
    return Response("ok\n", mimetype="text/plain")


@app.get("/slow")
def slow() -> Response:
    time.sleep(0.5)
    return Response(f"release {VERSION}\n", mimetype="text/plain")


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), mimetype="text/plain")
