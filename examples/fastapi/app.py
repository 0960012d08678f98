"""A small shop's API. Plimsoll gives each instance its port and the release's version."""

import asyncio
import os

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

VERSION = os.environ["VERSION"]
app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def index() -> str:
    return f"release {VERSION}\n"


@app.get("/health", response_class=PlainTextResponse)
async def health() -> str:
    return "ok\n"


@app.get("/slow", response_class=PlainTextResponse)
async def slow() -> str:
    await asyncio.sleep(0.5)
    return f"release {VERSION}\n"


@app.post("/echo", response_class=PlainTextResponse)
async def echo(request: Request) -> str:
    return (await request.body()).decode()
