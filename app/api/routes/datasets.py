"""Routes of datasets: preview, build, list, show, download, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, StreamingResponse

from app.api.dataset_schemas import (
    BuildDataset,
    DatasetDetails,
    DatasetList,
    DatasetPreview,
    DatasetPublic,
    PreviewDataset,
    dataset_json,
    format_public,
    preview_public,
)
from app.api.deps import AdminId, ServicesDep
from app.api.job_json import JobPublic, job_public
from app.api.schemas import Id
from app.export.base import find_formats

router = APIRouter(prefix="/api/datasets", tags=["datasets"])

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FILE: dict[str, Any] = {"content": {"application/octet-stream": _BINARY}}
_ZIP: dict[str, Any] = {"content": {"application/zip": _BINARY}}


@router.get("")
async def list_datasets(user_id: AdminId, services: ServicesDep) -> DatasetList:
    """List the datasets, newest first, and the formats that there are."""
    found = await services.datasets.list(user_id)
    return DatasetList(
        items=[DatasetPublic(**dataset_json(each)) for each in found],
        formats=[format_public(made) for made in find_formats().values()],
    )


@router.post("", status_code=202)
async def build(user_id: AdminId, services: ServicesDep, body: BuildDataset) -> JobPublic:
    """Start a job that builds a dataset; ``/api/jobs`` shows how far it is. 409 if the name is taken."""
    return job_public(await services.datasets.build(user_id, body.spec(body.name)), services.jobs)


@router.post("/preview")
async def preview(_: AdminId, services: ServicesDep, body: PreviewDataset) -> DatasetPreview:
    """What a dataset would contain: counts, what is left out and why, and the first rows of each format."""
    return preview_public(await services.datasets.preview(body.spec()))


@router.get("/{name}")
async def get_dataset(user_id: AdminId, services: ServicesDep, name: Id) -> DatasetDetails:
    """Get one dataset with its manifest."""
    return DatasetDetails(**dataset_json(await services.datasets.get(user_id, name)))


@router.get("/{name}/files/{file}", response_class=FileResponse, responses={200: _FILE})
async def download_file(user_id: AdminId, services: ServicesDep, name: Id, file: Id) -> FileResponse:
    """Download one of its files: those of the manifest, and ``manifest.json`` itself."""
    path = await services.datasets.file(user_id, name, file)
    return FileResponse(path, media_type="application/octet-stream", filename=file)


@router.get("/{name}/archive", response_class=StreamingResponse, responses={200: _ZIP})
async def download_archive(user_id: AdminId, services: ServicesDep, name: Id) -> StreamingResponse:
    """Download all its files as one zip archive."""
    pieces = await services.datasets.as_archive(user_id, name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.delete("/{name}", status_code=204)
async def delete(user_id: AdminId, services: ServicesDep, name: Id) -> Response:
    """Delete a dataset with its files; the feedback stays."""
    await services.datasets.delete(user_id, name)
    return Response(status_code=204)
