"""Reads and validates the header of a GGUF file.

Files are untrusted: every count and length is checked against limits and the file's size before memory is allocated
or time is spent, and every tensor must be at its offset inside the file. A file that passes is safe to load with
llama.cpp, whose own checks would crash its process.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
Bit errors in the weights are not detected here but by the manifest's SHA-256.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.errors import DamagedWeights
from app.weights.formats.ggml_types import FILE_TYPES, TYPES

_MAX_KEYS = 10_000
_MAX_TENSORS = 50_000  # three times those of the largest models
_MAX_KEY_BYTES = 1024
_MAX_NAME_BYTES = 256
_MAX_KEPT_TEXT_BYTES = 1 << 20  # chat templates have some 10 KB
_MAX_KEPT_NUMBERS = 4096  # per-layer lists; vocabularies are skipped
_MAX_HEADER_BYTES = 64 << 20  # large vocabularies have 15 MB
_MAX_LIST_ITEMS = 2_000_000  # strings and kept numbers of all lists; large vocabularies have 200,000 and 450,000 merges
_MAX_ALIGNMENT = 1 << 16
_MAX_DIMENSIONS = 4

_TEXT, _ARRAY, _BOOL = 8, 9, 7
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", _BOOL: "<B", 10: "<Q", 11: "<q", 12: "<d"}

# None: skipped (a list of strings, a long list)
Value = int | float | str | tuple[int | float, ...] | tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """The metadata of a GGUF file that Parley uses. Per-layer values have one entry per layer."""

    architecture: str  # "" in a part (not the first) of a split model
    name: str
    kind: str  # "model", "adapter", "mmproj" …
    size_label: str  # "135M"
    licence: str
    quantization: str
    context_tokens: int | None
    layers: int
    embedding: int
    feed_forward: int
    heads: int
    heads_kv: tuple[int, ...]
    key_length: int  # of one head
    value_length: int
    chat_template: str  # "": none
    part: int  # of a split model, from 0
    parts: int
    tensors: int
    tensor_bytes: int
    basename: str = ""  # of the model without its size and its fine-tuning: "Qwen2.5"
    adapter_type: str = ""  # "lora"
    base_model: str = ""  # the model that this model or adapter is derived from
    pooling: int = 0  # how an embedding model joins its outputs; 0: not at all, as chat models do
    has_tokenizer: bool = True
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)  # by tensor; columns first

    @property
    def kv_bytes_per_token(self) -> int:
        """KV cache bytes per token in half precision; an upper bound with sliding windows."""
        return sum(self.heads_kv) * (self.key_length + self.value_length) * 2


def read_header(path: Path) -> GGUFHeader:
    """Read and validate a header. Raises only :class:`DamagedWeights`, with the reason."""
    with _reading(path) as (file, size):
        return _Reader(file, size).header()


def read_lists(path: Path, keys: frozenset[str]) -> dict[str, Value]:
    """The lists `keys` of the header, whole; texts as UTF-8. Raises as :func:`read_header`."""
    with _reading(path) as (file, size):
        metadata = _Reader(file, size, keys).metadata()
    return {key: value for key, value in metadata.items() if key in keys}


@contextmanager
def _reading(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size; errors become :class:`DamagedWeights`."""
    try:
        with path.open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except OSError as err:
        raise DamagedWeights(f"{path.name} cannot be read: {err.strerror}.", file=path.name) from err
    except _Bad as bad:
        raise DamagedWeights(
            f"{path.name} is damaged or not a GGUF model: {bad}. Download it again.", file=path.name, reason=str(bad)
        ) from bad


class _Bad(Exception):
    """The file is invalid; the message is the reason."""


class _Reader:
    """Reads one open file sequentially."""

    def __init__(self, file: BinaryIO, size: int, kept: frozenset[str] = frozenset()) -> None:
        """`kept`: lists that are read whole instead of skipped."""
        self._kept = kept
        self._file = file
        self._size = size
        self._left = min(size, _MAX_HEADER_BYTES)  # bytes that the header may still have
        self._items_left = _MAX_LIST_ITEMS

    def header(self) -> GGUFHeader:
        """The whole header, checked."""
        tensors, keys = self._counts()
        metadata = self._metadata(keys)
        shapes, types, tensor_bytes = self._tensors(tensors, _alignment(metadata))
        return _summary(metadata, shapes, types, tensor_bytes)

    def metadata(self) -> dict[str, Value]:
        """The keys and values only."""
        return self._metadata(self._counts()[1])

    def _counts(self) -> tuple[int, int]:
        """The numbers of tensors and keys."""
        if self._take(4, "its mark") != b"GGUF":
            raise _Bad("it does not begin with GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            raise _Bad("it is big-endian" if swapped in (2, 3) else f"its version {version} is not one of 2 and 3")
        tensors = self._count("tensors", _MAX_TENSORS, least_bytes=24)
        return tensors, self._count("keys", _MAX_KEYS, least_bytes=13)

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for _ in range(count):
            key = self._text(_MAX_KEY_BYTES, "a key")
            if not key or key in metadata:
                raise _Bad(f"the key {key[:80]!r} is empty or appears twice")
            metadata[key] = self._value(self._number("<I"), key)
        return metadata

    def _value(self, kind: int, key: str) -> Value:
        if kind == _TEXT:
            return self._text(_MAX_KEPT_TEXT_BYTES, f"the text of {key}")
        if kind == _ARRAY:
            return self._array(key)
        if kind not in _NUMBERS:
            raise _Bad(f"{key} has the unknown type {kind}")
        (value,) = struct.unpack(_NUMBERS[kind], self._take(struct.calcsize(_NUMBERS[kind]), key))
        return value if math.isfinite(value) else None

    def _array(self, key: str) -> Value:
        kind = self._number("<I")
        if kind == _TEXT:
            count = self._count(f"strings in {key}", self._items_left, least_bytes=8)
            self._items_left -= count
            if key in self._kept:
                return tuple(self._take(self._number("<Q"), key) for _ in range(count))
            self._skip_texts(count, key)
            return None
        if kind == _ARRAY:
            raise _Bad(f"the list {key} holds lists, which no model has")
        if kind not in _NUMBERS:
            raise _Bad(f"the list {key} holds the unknown type {kind}")
        width = struct.calcsize(_NUMBERS[kind])
        count = self._count(f"numbers in {key}", self._left, least_bytes=width)
        if count > _MAX_KEPT_NUMBERS and key not in self._kept:
            self._skip(count * width, key)
            return None
        if count > self._items_left:
            raise _Bad(f"its lists hold more than {_MAX_LIST_ITEMS} values")
        self._items_left -= count
        return struct.unpack(f"<{count}{_NUMBERS[kind][1]}", self._take(count * width, key))

    def _tensors(self, count: int, alignment: int) -> tuple[dict[str, tuple[int, ...]], dict[int, int], int]:
        """Shapes by name, bytes by type, total bytes with padding. Tensors must be contiguous."""
        shapes: dict[str, tuple[int, ...]] = {}
        by_type: dict[int, int] = {}
        end = 0
        for _ in range(count):
            name = self._text(_MAX_NAME_BYTES, "a tensor's name")
            if name in shapes:
                raise _Bad(f"the tensor {name!r} appears twice")
            shapes[name], kind, size, offset = self._tensor(name)
            if offset != end:
                raise _Bad(f"the tensor {name!r} is said to be at {offset}, not at {end}")
            by_type[kind] = by_type.get(kind, 0) + size
            last, end = offset + size, -(-(offset + size) // alignment) * alignment
        if count:
            start = -(-self._file.tell() // alignment) * alignment
            if start + last > self._size:
                raise _Bad(f"it is cut off: {start + last} bytes are needed, but it has {self._size}")
        return shapes, by_type, end

    def _tensor(self, name: str) -> tuple[tuple[int, ...], int, int, int]:
        """(shape, type, bytes, offset) of one tensor."""
        rank = self._number("<I")
        if rank > _MAX_DIMENSIONS:
            raise _Bad(f"the tensor {name!r} has {rank} dimensions")
        shape = [self._number("<Q") for _ in range(rank)]
        kind = self._number("<I")
        offset = self._number("<Q")
        if kind not in TYPES:
            raise _Bad(f"the tensor {name!r} has the type {kind}, which this version of Parley does not know")
        form = TYPES[kind]
        if any(side < 1 for side in shape) or (shape[0] if shape else 1) % form.block_values:
            raise _Bad(f"the tensor {name!r} has the impossible shape {shape}")
        size = math.prod(shape) // form.block_values * form.block_bytes
        if size > self._size:
            raise _Bad(f"the tensor {name!r} needs {size} bytes and the whole file has {self._size}")
        return tuple(shape), kind, size, offset

    def _text(self, limit: int, what: str) -> str:
        length = self._number("<Q")
        if length > limit:
            raise _Bad(f"{what} is {length} bytes long")
        try:
            return self._take(length, what).decode("utf-8")
        except UnicodeDecodeError:
            raise _Bad(f"{what} is not UTF-8") from None

    def _count(self, what: str, limit: int, *, least_bytes: int) -> int:
        """Read a count of items of at least `least_bytes` each; raises if they don't fit into the header."""
        count = self._number("<Q")
        if count > limit or count * least_bytes > self._left:
            raise _Bad(f"it claims {count} {what}")
        return count

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form), "a number"))[0]
        return value

    def _take(self, length: int, what: str) -> bytes:
        if length > self._left:
            raise self._ends_early(what)
        self._left -= length
        data = self._file.read(length)
        if len(data) < length:  # it has become shorter since
            raise self._ends_early(what)
        return data

    def _ends_early(self, what: str) -> _Bad:
        if self._size > _MAX_HEADER_BYTES:
            return _Bad(f"its header is longer than {_MAX_HEADER_BYTES >> 20} MiB (at {what})")
        return _Bad(f"it is cut off inside its header (at {what})")

    def _skip_texts(self, count: int, key: str) -> None:
        """Skip a vocabulary of hundreds of thousands of short texts, without a Python call for each."""
        read, number, left = self._file.read, int.from_bytes, self._left
        for _ in range(count):
            length = number(read(8), "little")
            left -= 8 + length
            if left < 0:
                raise self._ends_early(key)
            read(length)
        self._left = left

    def _skip(self, length: int, what: str) -> None:
        while length:  # read, not seek: seeking past the end raises no error
            step = min(length, 1 << 20)
            self._take(step, what)
            length -= step


def _alignment(metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        raise _Bad(f"its alignment {alignment!r} is not a power of two")
    return alignment


def _summary(
    metadata: Mapping[str, Value], shapes: Mapping[str, tuple[int, ...]], types: Mapping[int, int], tensor_bytes: int
) -> GGUFHeader:
    def text(key: str) -> str:
        value = metadata.get(key)
        return value if isinstance(value, str) else ""

    architecture = text("general.architecture")

    def own(key: str) -> tuple[int, ...]:
        """An integer of the architecture, or a list of them by layer."""
        value = metadata.get(f"{architecture}.{key}")
        values = value if isinstance(value, tuple) else (value,)
        found = tuple(v for v in values if isinstance(v, int))
        if any(not 0 <= v < 1 << 32 for v in found):
            raise _Bad(f"{architecture}.{key} is out of range")
        return found

    def largest(key: str) -> int:
        return max(own(key), default=0)

    part, parts = metadata.get("split.no", 0), metadata.get("split.count", 1)
    part, parts = (part if isinstance(part, int) else 0), (parts if isinstance(parts, int) else 1)
    if not architecture and part == 0:
        raise _Bad("it does not say its architecture")
    layers, heads = largest("block_count"), largest("attention.head_count")
    if layers > _MAX_KEPT_NUMBERS:
        raise _Bad(f"it claims {layers} layers")
    embedding = largest("embedding_length")
    head_length = embedding // heads if heads else 0
    by_layer = own("attention.head_count_kv") or own("attention.head_count")
    return GGUFHeader(
        architecture=architecture,
        name=text("general.name"),
        kind=text("general.type") or "model",
        size_label=text("general.size_label"),
        licence=text("general.license"),
        quantization=_quantization(metadata.get("general.file_type"), types),
        context_tokens=largest("context_length") or None,
        layers=layers,
        embedding=embedding,
        feed_forward=largest("feed_forward_length"),
        heads=heads,
        heads_kv=by_layer if len(by_layer) == layers else by_layer[:1] * layers,
        key_length=largest("attention.key_length") or head_length,
        value_length=largest("attention.value_length") or head_length,
        chat_template=text("tokenizer.chat_template"),
        part=part,
        parts=parts,
        tensors=len(shapes),
        tensor_bytes=tensor_bytes,
        basename=text("general.basename"),
        adapter_type=text("adapter.type"),
        base_model=text("general.base_model.0.repo_url") or text("general.base_model.0.name"),
        pooling=largest("pooling_type"),
        has_tokenizer=any(key.startswith("tokenizer.ggml.") for key in metadata),
        shapes=shapes,
    )


def _quantization(file_type: Value, types: Mapping[int, int]) -> str:
    """The quantization by ``general.file_type``, else the type of most bytes."""
    if isinstance(file_type, int) and file_type in FILE_TYPES:
        return FILE_TYPES[file_type]
    return TYPES[max(types, key=lambda kind: types[kind])].name if types else ""
