"""Error responses: one JSON shape for all errors, and the only place with HTTP statuses of errors.

    {"error": {"code": "prompt_too_long", "message": "…", "details": {…}}}

Validation errors never echo the input: NaN, lone surrogates and huge bodies could not be sent back.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app import errors
from app.api.validation_text import validation_text

log = logging.getLogger(__name__)

# An error gets the status of its nearest ancestor listed here.
STATUSES: dict[type[errors.ParleyError], int] = {
    errors.ParleyError: 500,
    errors.InvalidRequest: 422,
    errors.PromptTooLong: 400,
    errors.BodyTooLarge: 413,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooManyRequests: 429,
    errors.ModelError: 409,
    errors.NotEnoughMemory: 503,
    errors.FetchFailed: 502,
    errors.MissingExtra: 501,
    errors.EngineError: 502,
    errors.QueueFull: 503,
    errors.WorkerFailed: 503,
    errors.WorkerDied: 503,
    errors.UpstreamTimeout: 504,
    errors.StoreError: 500,
    errors.StoreBusy: 503,
    errors.StoreFull: 507,
    errors.StoreReadOnly: 503,
    errors.DatabaseGone: 503,
    errors.DatabaseTooNew: 503,
    errors.DatabaseDamaged: 503,
    errors.ConfigurationError: 500,
}

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 400: "invalid_request"}


class ErrorBody(BaseModel):
    """An error: a stable code, a message with what to do next, and details for programs."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: ErrorBody


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorResponse, "description": "Refused. The error contains the reason and what to do."},
    "5XX": {"model": ErrorResponse, "description": "Failed, or not possible right now."},
}


def status_of(err: errors.ParleyError) -> int:
    """The HTTP status of an error, by its class."""
    return next(STATUSES[cls] for cls in type(err).__mro__ if cls in STATUSES)


def error_body(code: str, message: str, details: dict[str, object] | None = None) -> dict[str, Any]:
    """The body of every error response, as a dictionary."""
    return {"error": {"code": code, "message": message, "details": details or {}}}


def response_to(err: errors.ParleyError) -> JSONResponse:
    """The response to an error, with ``Retry-After`` if a retry may succeed."""
    retry_after = err.details.get("retry_after_s")
    headers = {"Retry-After": str(max(1, round(float(str(retry_after)))))} if retry_after is not None else {}
    if isinstance(err, errors.WorkerDied | errors.WorkerFailed | errors.StoreBusy) and not headers:
        headers = {"Retry-After": "2"}
    return JSONResponse({"error": err.payload()}, status_code=status_of(err), headers=headers)


def install(app: FastAPI) -> None:
    """Register the exception handlers."""

    @app.exception_handler(errors.ParleyError)
    async def on_parley_error(_: Request, err: errors.ParleyError) -> JSONResponse:
        return response_to(err)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, err: RequestValidationError) -> JSONResponse:
        if _lacks_content_type(request, err):
            text = "The body was not read as JSON: send the header Content-Type: application/json."
            return JSONResponse(error_body("invalid_request", text), status_code=415)
        text = validation_text(err.errors()).encode("utf-8", "replace").decode()
        return JSONResponse(error_body("invalid_request", f"This request isn't valid: {text}."), status_code=422)

    @app.exception_handler(HTTPException)
    async def on_http(_: Request, err: HTTPException) -> JSONResponse:
        body = error_body(_HTTP_CODES.get(err.status_code, "http_error"), str(err.detail))
        return JSONResponse(body, status_code=err.status_code, headers=err.headers)


def _lacks_content_type(request: Request, err: RequestValidationError) -> bool:
    """Whether a body was sent as something else than JSON, as curl's ``-d`` does by default."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    return not is_json and request.headers.get("content-length", "0") != "0" and _is_about_whole_body(err)


def _is_about_whole_body(err: RequestValidationError) -> bool:
    return any(tuple(problem.get("loc", ())) == ("body",) for problem in err.errors())


async def on_bug(_: Request, err: Exception) -> JSONResponse:
    """500 for an exception that nothing else handles; the log has its traceback. The server then closes the connection.

    For a `ServerErrorMiddleware` of our own: FastAPI's runs outside all middleware, so that its response would have no
    security headers.
    """
    log.error("an unexpected error", exc_info=err)
    body = error_body("internal_error", "Something went wrong inside Parley. Its log has the details.")
    return JSONResponse(body, status_code=500, headers={"Connection": "close"})
