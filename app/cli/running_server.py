"""Whether a Parley is running at an address."""

from __future__ import annotations

from app.errors import ConfigurationError, NotSignedIn, ParleyError, WorkerFailed
from frontends.client import ApiError, ParleyClient

_LOGIN = (
    "Parley at {url} asks for a login. Make an API key with the scope `api` under My account, and set "
    "PARLEY_API_KEY to it."
)


def client_for(url: str, api_key: str) -> ParleyClient:
    """A client of the server at `url`, with a key if it needs one."""
    return ParleyClient(url, headers={"authorization": f"Bearer {api_key}"} if api_key else {})


async def problem_at(url: str, api_key: str) -> ParleyError | None:
    """Why there is no Parley to talk to at `url`; ``None`` if there is one.

    :class:`NotSignedIn`: there is one, which wants another key.
    """
    probe = client_for(url, api_key)
    try:
        info = await probe.info()
    except ApiError as err:
        if err.code in ("not_signed_in", "not_allowed"):
            return NotSignedIn(_LOGIN.format(url=url))
        if err.code == "unexpected_answer":
            return _other_program(url)
        return WorkerFailed(f"{url}: {err.message}")
    finally:
        await probe.aclose()
    is_parley = isinstance(info, dict) and {"version", "default_sampling"} <= info.keys()
    return None if is_parley else _other_program(url)


def _other_program(url: str) -> ConfigurationError:
    return ConfigurationError(f"At {url} is another program, not Parley. Name Parley's own address with --url.")
