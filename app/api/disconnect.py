"""Stop working for a client that has gone away. Servers do that for streams only: a plain POST goes on to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import HTTPException, Request

T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client of `request` hangs up. Read the body before."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise HTTPException(408, "The client disconnected.")  # nobody reads it
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})  # what it held is given back before we go on


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
