"""Whether a Parley is running at an address."""

from __future__ import annotations

from app.errors import ConfigurationError, ParleyError, WorkerFailed
from frontends.client import ApiError, ParleyClient


async def problem_at(url: str) -> ParleyError | None:
    """Why there is no Parley to talk to at `url`; ``None`` if there is one."""
    probe = ParleyClient(url)
    try:
        info = await probe.info()
    except ApiError as err:
        if err.code == "unexpected_answer":
            return _other_program(url)
        return WorkerFailed(f"{url}: {err.message}")
    finally:
        await probe.aclose()
    is_parley = isinstance(info, dict) and {"version", "default_sampling"} <= info.keys()
    return None if is_parley else _other_program(url)


def _other_program(url: str) -> ConfigurationError:
    return ConfigurationError(f"At {url} is another program, not Parley. Name Parley's own address with --url.")
