"""Routes of imported files of training data: list them, remove what came from one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.deps import MemberId, ServicesDep
from app.api.schemas import Text

router = APIRouter(prefix="/api/imported-files", tags=["imported files"])


class ImportedFilePublic(BaseModel):
    """A file and how many of its rows are stored. Files of the same name are one."""

    name: str
    rows: int


class ImportedFileList(BaseModel):
    """The files by name."""

    items: list[ImportedFilePublic]


class Removed(BaseModel):
    """How many rows were removed."""

    rows: int


@router.get("")
async def list_imported_files(user_id: MemberId, services: ServicesDep) -> ImportedFileList:
    """List the files of training data whose rows are stored. Chats are in the list of chats."""
    found = await services.transfers.files(user_id)
    return ImportedFileList(items=[ImportedFilePublic(name=file.name, rows=file.rows) for file in found])


@router.delete("")
async def remove_imported_file(
    user_id: MemberId, services: ServicesDep, name: Annotated[Text, Query(max_length=200)]
) -> Removed:
    """Remove all rows of a file for good, with their judgements. Datasets that hold them become stale."""
    return Removed(rows=await services.transfers.remove_file(user_id, name))
