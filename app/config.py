"""Settings of the application, read from environment variables ``PARLEY_<NAME>``.

`Settings()` reads the environment when it is called; nothing is read at import.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
_HOST = re.compile(r"[\w.-]+|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+\]?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/,*]+")
_ROOT_PATH = re.compile(r"(/[\w.~-]+)*")


class Settings(BaseSettings):
    """All settings. The suffix of a name gives the unit: ``_s`` seconds, ``_mib``, ``_bytes``, ``_tokens``."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_", extra="ignore", frozen=True)

    data_dir: Path = Field(Path("data"), description="Database, backups and logs: everything but weights.")
    model_store: Path = Field(Path("model_store"), description="Weights, and your own manifests.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the data folder.")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="More host names to accept (comma-separated), for a reverse proxy with its own login."
    )
    login: bool = Field(
        False, description="Ask for a login before there is an account; the start prints a link to make the first."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="More addresses or networks of reverse proxies whose X-Forwarded headers count (comma-separated).",
    )
    oidc_issuer: str = Field("", description="OpenID Connect provider to sign in at: its issuer, an https address.")
    oidc_client_id: str = Field("", description="The client's id at the provider.")
    oidc_client_secret: str = Field("", repr=False, description="The client's secret, if it has one.")
    oidc_name: str = Field("single sign-on", description="What the button says: Sign in with NAME.")
    oidc_role_claim: str = Field("groups", description="The claim of ID tokens with a person's groups.")
    oidc_admin_groups: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Groups whose members are administrators (comma-separated); all others are members."
    )
    proxy_user_header: str = Field(
        "", description="Header in which a reverse proxy in PARLEY_TRUSTED_PROXIES names who has signed in there."
    )
    sso_role: Literal["admin", "member", "guest"] = Field(
        "member", description="Role of accounts that single sign-on makes."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of pages and browser extensions that may use /v1 (comma-separated)."
    )
    root_path: str = Field("", description="Path under which a reverse proxy serves Parley, such as /chat.")
    max_body_bytes: int = Field(2_000_000, ge=1024, description="Larger request bodies get 413.")
    max_import_bytes: int = Field(1 << 30, ge=1024, description="Larger files can't be imported (413).")

    model: str = Field("", description="Model for new conversations; empty: the first that is ready.")
    context_tokens: int = Field(4096, ge=256, description="Context of one slot, where the model allows it.")
    slots: int = Field(0, ge=0, le=64, description="Replies at once per model; 0: as memory allows, up to 4.")
    max_waiting: int = Field(64, ge=0, description="Requests that may wait per model; more get 503.")
    threads: int = Field(0, ge=0, description="Threads per model; 0: one per core.")
    memory_limit_mib: int = Field(0, ge=0, description="RAM for all models; 0: all that is free.")
    upstream_timeout_s: float = Field(
        120.0, gt=0, description="Seconds without data after which an upstream request fails."
    )

    user_requests_per_minute: int = Field(
        600, ge=0, description="Requests a minute of one person with an account, or of an address; 0: no limit."
    )
    user_replies: int = Field(16, ge=0, description="Replies of one person that may run or wait; 0: no limit.")
    user_tokens_per_day: int = Field(0, ge=0, description="Tokens of one person a day, prompts too; 0: no limit.")

    heartbeat_s: float = Field(15.0, gt=0, description="Seconds between heartbeats of an idle event stream.")
    trash_days: int = Field(7, ge=0, description="Days for which a deleted conversation can be restored.")
    chatglm_api: bool = Field(False, description="Also answer POST / like ChatGLM-6B's own service.")

    api_key: str = Field("", repr=False, description="API key for commands that talk to a running server.")

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _read_hosts(cls, value: object) -> object:
        """Names separated by commas, or a JSON list. A port after a name is left out: names are compared without."""
        hosts = [re.sub(r"(?<=[^:]):\d+$", "", name).strip("[]").lower() for name in _names(value)]
        if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
            raise ValueError(f"{wrong[0]!r} is not a host name. Write names separated by commas: chat.lan,example.org")
        return tuple(hosts)

    @field_validator("oidc_admin_groups", mode="before")
    @classmethod
    def _read_groups(cls, value: object) -> object:
        """Names separated by commas, or a JSON list."""
        return tuple(_names(value))

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_proxies(cls, value: object) -> object:
        """Addresses and networks separated by commas, or a JSON list."""
        found = _names(value)
        for name in found:
            try:
                ip_network(name)
            except ValueError:
                raise ValueError(f"{name!r} is no address or network. Write them like 10.0.0.2,172.18.0.0/16") from None
        return tuple(found)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _read_origins(cls, value: object) -> object:
        """Origins separated by commas, or a JSON list."""
        origins = [origin.rstrip("/").lower() for origin in _names(value)]
        if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"{wrong[0]!r} is not an origin. Write it like https://notes.example or app://obsidian.md")
        return tuple(origins)

    @field_validator("root_path")
    @classmethod
    def _read_root_path(cls, value: str) -> str:
        path = f"/{value.strip('/')}" if value.strip("/") else ""
        if not _ROOT_PATH.fullmatch(path):
            raise ValueError(f"{value!r} is not a path. Write it like /chat")
        return path

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK_HOSTS

    @property
    def resolved_database_url(self) -> str:
        """The URL in use: `database_url`, or SQLite under `data_dir`."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir / 'parley.db'))}"


def _names(value: object) -> list[str]:
    """The names in a list, a text with commas or JSON; none empty."""
    if isinstance(value, str):
        value = _json_list(value) or value.split(",")
    names = [str(name).strip() for name in value] if isinstance(value, list | tuple) else []
    return [name for name in names if name]


def _json_list(text: str) -> list[object]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []
