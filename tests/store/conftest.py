"""Stores to test: on SQLite, and on PostgreSQL where it is installed or PARLEY_TEST_POSTGRES_URL names a server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store import Store
from tests.support import postgres

from .opened import Opened

POSTGRES = "PARLEY_TEST_POSTGRES_URL"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data' / 'parley.db'}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server."""
    programs = postgres.programs()
    if given := os.environ.get(POSTGRES):
        yield given
    elif programs is None:
        pytest.skip("no PostgreSQL on this machine; `make test` installs it")
    else:
        with postgres.running(programs) as url:
            yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    server = request.getfixturevalue("postgres_server")
    name = f"parley_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{server.rsplit('/', 1)[0].replace('postgresql:', 'postgresql+psycopg:')}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Opened]:
    data_dir = tmp_path / "data"
    store = Store.open(url, data_dir)
    yield Opened(store, url, data_dir)
    store.close_now()


@pytest.fixture
def on_sqlite(sqlite_url: str, tmp_path: Path) -> Iterator[Opened]:
    """For what SQLite alone does."""
    data_dir = tmp_path / "data"
    store = Store.open(sqlite_url, data_dir, busy_timeout_s=0.3)
    yield Opened(store, sqlite_url, data_dir)
    store.close_now()
