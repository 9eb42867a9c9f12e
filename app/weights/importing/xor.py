"""Decrypts BELLE's LLaMA models, which were XORed with Meta's files.

    <name>.<sha256>.enc     32 bytes: the SHA-256 of the plain file, as in the name; then the data

Data and key (``consolidated.00.pth``) are both split into pieces of 10 MiB, and piece i is XORed with piece i. After
its end the key starts over; its last, shorter piece is repeated to the length of the data's piece.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.errors import FetchCancelled, InvalidImport
from app.weights.formats.checkpoint import inside, listing
from app.weights.importing.meta import FIRST_SHARD
from app.weights.progress import Cancelled, OnProgress, Progress

_NAME = re.compile(r"(?P<plain>[A-Za-z0-9][A-Za-z0-9._-]*)\.(?P<digest>[0-9a-f]{64})\.enc")
_PIECE_BYTES = 10 << 20
_CHECKSUM_BYTES = 32


def encrypted_files(folder: Path) -> dict[str, Path]:
    """The encrypted files in a folder, by their names when decrypted; empty for other folders.

    Raises :class:`InvalidImport` for links that lead out, and :class:`~app.errors.DamagedWeights`.
    """
    found = {}
    for name in listing(folder):
        if match := _NAME.fullmatch(name):
            found[match["plain"]] = inside(folder, name)
    return found


def find_key(base: Path | None) -> Path:
    """The key file that a model was XORed with. Raises :class:`InvalidImport`."""
    if base is None:
        raise InvalidImport(
            "These files are encrypted with Meta's LLaMA. Name it with --base: the file consolidated.00.pth of the "
            "same size of model, or its folder."
        )
    base = base.expanduser().absolute()
    key = base / FIRST_SHARD if base.is_dir() else base
    if not key.is_file() or not key.stat().st_size:
        raise InvalidImport(
            f"{key} does not exist or is empty. These files are encrypted with Meta's own {FIRST_SHARD}; a Hugging "
            "Face folder of the same model does not help."
        )
    return key


def decrypt_all(
    files: dict[str, Path], key: Path, folder: Path, on_progress: OnProgress, cancelled: Cancelled
) -> dict[str, str]:
    """Decrypt the files into `folder`, small ones first, so that a wrong key is detected early.

    Returns their checksums. Existing files are kept. Raises :class:`InvalidImport` for a wrong key or damaged file,
    and :class:`FetchCancelled`.
    """
    total = sum(path.stat().st_size for path in files.values())
    done = 0
    checksums = {}
    for plain, path in sorted(files.items(), key=lambda item: item[1].stat().st_size):
        match = _NAME.fullmatch(path.name)
        assert match is not None
        checksums[plain] = match["digest"]
        if not (folder / plain).exists():
            draft = folder / f"{plain}.part"
            try:
                with draft.open("wb") as out:
                    for piece in _checked(path, key, match["digest"]):
                        if cancelled():
                            raise FetchCancelled("The import was stopped. Run the same command to resume.")
                        out.write(piece)
                        on_progress(Progress("unpacking", min(total, done + out.tell()), total))
            except InvalidImport:
                draft.unlink(missing_ok=True)
                raise
            draft.replace(folder / plain)
        done += path.stat().st_size
    return checksums


def _checked(path: Path, key: Path, wanted: str) -> Iterator[bytes]:
    """The decrypted pieces of a file. Raises :class:`InvalidImport` after the last one for a wrong checksum."""
    digest = hashlib.sha256()
    with path.open("rb") as file, key.open("rb") as key_file:
        if file.read(_CHECKSUM_BYTES).hex() != wanted:
            raise InvalidImport(
                f"{path.name} does not match the checksum in its name: it is damaged or was renamed. Download it again."
            )
        for piece, mask in zip(_pieces(file), _endless(key_file), strict=False):
            plain = _xor(piece, mask)
            digest.update(plain)
            yield plain
    if digest.hexdigest() != wanted:
        raise InvalidImport(
            f"{path.name} has the wrong checksum after decryption. Either {key} is not the LLaMA file that it "
            "was made for (another model size, or converted), or one of the two is damaged. Compare their checksums "
            "with the published ones."
        )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _endless(key: BinaryIO) -> Iterator[bytes]:
    while True:
        key.seek(0)
        yield from _pieces(key)


def _xor(data: bytes, mask: bytes) -> bytes:
    """`data` XOR `mask`, repeated as needed. XOR of two big integers is the fastest method in pure Python."""
    mask = (mask * -(-len(data) // len(mask)))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(len(data), "little")
