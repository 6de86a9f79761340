"""A browser's requests to the dashboard, without a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from submitter.http.transport import tls_context
from tests.support.service import KEYS, Served

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def visiting(service: Served, key: str | None = "all") -> AsyncIterator[httpx.AsyncClient]:
    """A client with a session of this key; None: signed out. It follows no redirect."""
    async with httpx.AsyncClient(
        base_url=service.url, verify=tls_context(), trust_env=False, timeout=90, headers=SAME_ORIGIN
    ) as client:
        if key is not None:
            answer = await client.post("/ops/sign-in", data={"key": KEYS[key][1], "next": "/ops/tasks"})
            assert answer.status_code == 303, answer.text
        yield client


def is_page(answer: httpx.Response, status: int = 200) -> str:
    """Return the page; fail unless it has the headers that every page has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "<!doctype html>" in answer.text
    assert "Traceback" not in answer.text
    return answer.text
