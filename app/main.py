"""Create the FastAPI application: ``create_app(settings)``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.middleware.errors import ServerErrorMiddleware

from app import __version__
from app.api import errors
from app.api.authentication import Authentication
from app.api.deps import Services
from app.api.guard import BodyLimit, HostAndOriginCheck, RootPath, SecurityHeaders, cors, own_names
from app.api.routes import (
    account,
    chatglm,
    conversations,
    datasets,
    feedback,
    imported_files,
    jobs,
    messages,
    models,
    openai,
    people,
    review,
    session,
    shares,
    sso,
    system,
    transfers,
)
from app.auth.service import AuthService
from app.chat.completion import Completions
from app.chat.conversations import ConversationService
from app.chat.event_hub import EventHub
from app.chat.feedback_announcements import FeedbackAnnouncements
from app.chat.reply_tasks import ReplyTasks
from app.chat.service import ChatService
from app.chat.sharing import Sharing
from app.chat.transfer.transfers import Transfers
from app.config import Settings
from app.engine.factories import EngineFactories, engine_inputs
from app.engine.pool import ModelPool
from app.errors import ConfigurationError, ParleyError
from app.feedback.datasets.service import DatasetService
from app.feedback.review import ReviewService
from app.feedback.service import FeedbackService
from app.jobs.context import Places
from app.jobs.kind import find_kinds
from app.jobs.model_jobs import ModelJobs
from app.jobs.service import JobService
from app.models.catalog import Catalog
from app.models.service import ModelService
from app.store.database import Store
from app.store.opening import Opening
from app.store.private_data import page_folder
from app.store.repositories.users import LOCAL_USER
from app.system.loop_watch import LoopWatch

log = logging.getLogger(__name__)

# The order matters: the first route that matches answers, and `openai` answers every other address below /v1.
ROUTES = (
    *(system, session, sso, account, people, transfers, imported_files, conversations, messages, shares, feedback),
    *(review, datasets, models, jobs, openai),
)
JOB_KINDS = ("app.jobs.kinds", "app.feedback.job_kinds")  # the packages that define kinds of jobs


_NO_ADMINISTRATOR = (
    "Parley can't listen on {host} before there is an administrator: anybody who reaches it could read every chat. "
    "Make one first:  parley users add NAME   Or listen on this machine only: --host 127.0.0.1"
)


def create_app(settings: Settings, engines: EngineFactories | None = None, command_key: str = "") -> FastAPI:
    """Create the API without a front end. Nothing is opened before the application starts.

    `engines` replaces the engines found in `app.engine`, for benchmarks and tests. `command_key` is an API key that is
    valid for this server only and is the local user's: for a command that brings its own server.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                app.state.services = await stack.enter_async_context(_running(settings, engines, command_key))
            except ParleyError as err:
                app.state.startup_error = err  # the server prints its message instead of a traceback
                raise
            except Exception as err:
                log.exception("an unexpected error")
                app.state.startup_error = ParleyError(f"Parley could not start: {type(err).__name__}: {err}")
                raise
            await asyncio.to_thread(_build_routes, app)
            yield

    app = FastAPI(
        title="Parley",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=errors.ERROR_RESPONSES,
    )
    for module in ROUTES:
        app.include_router(module.router)
    if settings.chatglm_api:
        app.include_router(chatglm.router)
    errors.install(app)
    longer = {transfers.IMPORT_PATH: settings.max_import_bytes}
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, streamed=longer)
    app.add_middleware(Authentication)
    names = () if settings.is_private else own_names()
    app.add_middleware(
        HostAndOriginCheck,
        proxies=settings.allowed_hosts,
        own_names=names,
        cors_origins=settings.cors_origins,
    )
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **cors(settings.cors_origins))
    app.add_middleware(ServerErrorMiddleware, handler=errors.on_bug)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)  # never event streams
    app.add_middleware(RootPath, path=settings.root_path)
    return app


def mount_frontend(app: FastAPI, ui: str, api_url: str, data_dir: Path) -> FastAPI:
    """Mount the login page, and the front end `ui` (a package of `frontends`) at ``/``; it uses the API at `api_url`.

    Its framework's temporary files are kept in a folder of `data_dir`.
    """
    import_module("frontends.login").mount(app)
    mounted: FastAPI = import_module(f"frontends.{ui}").mount(app, api_url, page_folder(data_dir))
    return mounted


def _build_routes(app: FastAPI) -> None:
    """FastAPI builds its routes when one is first looked for: 100 ms that would block the event loop."""
    nowhere = {"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(nowhere)


def _report(opening: Opening, settings: Settings) -> None:
    """Log what the store's opening found and changed."""
    if opening.interrupted:
        log.warning("%d replies were interrupted when the server last stopped", opening.interrupted)
    if opening.interrupted_jobs:
        log.warning("%d jobs were interrupted; see `parley jobs list`", opening.interrupted_jobs)
    if opening.made_private:
        changed, data_dir = len(opening.made_private), settings.data_dir
        log.warning("other accounts could read %d files or folders of %s; now only yours can", changed, data_dir)
    if opening.read_only:
        log.warning("%s", opening.read_only.message)


@asynccontextmanager
async def _running(settings: Settings, engines: EngineFactories | None, command_key: str) -> AsyncIterator[Services]:
    """Open all services of the application; they are closed in reverse order."""
    async with AsyncExitStack() as stack:
        loop_watch = LoopWatch()
        loop_watch.start()
        stack.callback(loop_watch.stop)
        store = Store.open(settings.resolved_database_url, settings.data_dir, trash_days=settings.trash_days)
        stack.push_async_callback(store.close)
        _report(store.opening, settings)
        auth = AuthService(store, LOCAL_USER, settings, command_key)
        stack.push_async_callback(auth.close)
        await auth.start()
        if not settings.is_private and not auth.has_administrator:
            raise ConfigurationError(_NO_ADMINISTRATOR.format(host=settings.host))
        catalog = Catalog.from_settings(settings, engine_inputs(engines))
        pool = ModelPool(settings, catalog, engines, quota=auth.usage)
        stack.push_async_callback(pool.close)
        pool.warm_up()
        job_service = JobService(store, find_kinds(JOB_KINDS), Places.of(settings))
        stack.push_async_callback(job_service.close)
        model_jobs = ModelJobs(job_service, catalog)
        stack.callback(model_jobs.close)
        model_service = ModelService(settings, catalog, pool, model_jobs)
        stack.push_async_callback(model_service.close)
        await model_service.start()
        await model_jobs.open()
        await job_service.start()
        hub, reply_tasks = EventHub(settings.heartbeat_s), ReplyTasks()
        chat = ChatService(store, model_service, pool, hub, reply_tasks)
        stack.push_async_callback(chat.close)
        dataset_service = DatasetService(store, job_service, settings.data_dir, settings.resolved_database_url)
        stack.push_async_callback(dataset_service.close)
        yield Services(
            settings=settings,
            auth=auth,
            models=model_service,
            model_jobs=model_jobs,
            jobs=job_service,
            pool=pool,
            chat=chat,
            conversations=ConversationService(store, model_service, hub, reply_tasks),
            datasets=dataset_service,
            feedback=FeedbackService(store, FeedbackAnnouncements(hub)),
            review=ReviewService(store),
            completions=Completions(model_service, pool),
            sharing=Sharing(store, auth.passwords),
            transfers=Transfers(store, settings.max_import_bytes),
            loop_watch=loop_watch,
            local_user_id=LOCAL_USER,
        )
