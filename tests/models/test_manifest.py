from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit

from app.engine.factories import engine_inputs
from app.errors import InvalidManifest
from app.models.manifest import Adapter, Manifest, Reasoning, UpstreamSource
from app.models.manifest_reader import load_manifest
from app.weights.sources import FolderSource, HubSource, ModelFile, WheelSource, safe_relative
from model_store import manifests_dir

SUM = "ab" * 32


def folder_model(**changes: object) -> dict[str, Any]:
    return {
        "id": "my-model",
        "title": "My model",
        "engine": "llama_cpp",
        "source": {"kind": "folder", "path": "weights/mine"},
        "files": [{"path": "model.gguf", "sha256": SUM, "size_bytes": 10}],
        **changes,
    }


def wheel_model(source: dict[str, object] | None = None, **changes: object) -> dict[str, Any]:
    wheel = {"kind": "wheel", "requirement": "tiny-model==1.0", "member": "tiny/model.gguf", **(source or {})}
    return folder_model(source=wheel, **changes)


def torch_model(**changes: object) -> dict[str, Any]:
    values = folder_model(engine="torch", **changes)
    if "files" not in changes:
        del values["files"]
    return values


def upstream_model(**source: object) -> dict[str, Any]:
    upstream = {"kind": "upstream", "base_url": "http://127.0.0.1:8000/v1", "model": "m", **source}
    values = folder_model(engine="openai", source=upstream)
    del values["files"]
    return values


def load(tmp_path: Path, values: dict[str, Any]) -> Manifest:
    path = tmp_path / "model.toml"
    path.write_text(tomlkit.dumps(values), "utf-8")
    return load_manifest(path, engine_inputs())


def test_folder(tmp_path: Path) -> None:
    values = folder_model(
        languages=["en", "zh-Hans"],
        context_tokens=2048,
        files=[{"path": "notes.txt"}, {"path": "model.gguf", "sha256": SUM, "size_bytes": 10}],
        sampling={"temperature": 0, "stop": ["###"]},
    )
    manifest = load(tmp_path, values)
    assert manifest.source == FolderSource("weights/mine")
    assert manifest.weights_file == ModelFile("model.gguf", SUM, 10)
    assert manifest.size_bytes is None
    assert (manifest.family, manifest.kind, manifest.languages) == ("native", "chat", ("en", "zh-Hans"))
    assert (manifest.default_sampling.temperature, manifest.default_sampling.stop) == (0, ("###",))


def test_reasoning(tmp_path: Path) -> None:
    assert load(tmp_path, folder_model()).reasoning == Reasoning()
    told = load(tmp_path, folder_model(reasoning={"switch": "enable_thinking"}))
    assert told.reasoning == Reasoning("enable_thinking", thinks=True)
    opened = load(tmp_path, upstream_model() | {"reasoning": {"opened": True}})
    assert opened.reasoning == Reasoning(opened=True, thinks=True)
    for wrong in ({"switch": "off"}, {"opened": "yes"}, {"tags": "x"}):
        with pytest.raises(InvalidManifest, match="reasoning"):
            load(tmp_path, folder_model(reasoning=wrong))


def test_torch(tmp_path: Path) -> None:
    adapters = [{"name": "polite", "path": "/data/polite", "title": "Polite"}, {"name": "b", "path": "here/b"}]
    manifest = load(tmp_path, torch_model(quantizations=["nf4", "none"], adapters=adapters, quantization="float16"))
    assert manifest.adapters == (Adapter("polite", "/data/polite", "Polite"), Adapter("b", "here/b"))
    assert manifest.files == ()
    usual, stored = manifest.loaded_as(""), manifest.loaded_as("none")
    assert (usual.id, usual.load_as, usual.quantization) == ("my-model", "nf4", "nf4")
    assert (stored.id, stored.load_as, stored.quantization) == ("my-model@none", "none", "float16")
    assert stored.loaded_as("nf4").id == stored.base_id == "my-model"


def test_wheel(tmp_path: Path) -> None:
    manifest = load(tmp_path, wheel_model({"download_bytes": 5}))
    assert manifest.source == WheelSource("tiny-model==1.0", "tiny/model.gguf", 5)
    assert manifest.size_bytes == 10


def test_hub(tmp_path: Path) -> None:
    source = {"kind": "hub", "repo": "tatsu-lab/alpaca-7b-wdiff", "revision": "abc123", "base": "llama-7b"}
    shape = {"model_type": "llama", "hidden_size": 64, "tie_word_embeddings": False}
    manifest = load(tmp_path, torch_model(source=source, architecture=shape))
    assert manifest.source == HubSource("tatsu-lab/alpaca-7b-wdiff", "abc123", "llama-7b")
    assert manifest.architecture == shape
    file = load(tmp_path, folder_model(source={"kind": "hub", "repo": "Qwen/Qwen3-4B-GGUF"}))
    assert file.source == HubSource("Qwen/Qwen3-4B-GGUF", "main", "")


def test_upstream(tmp_path: Path) -> None:
    manifest = load(tmp_path, upstream_model(base_url="https://models.example/v1/", api_key_env="OUR_KEY"))
    assert manifest.source == UpstreamSource("https://models.example/v1", "m", "OUR_KEY")


def test_scripted_has_no_source(tmp_path: Path) -> None:
    assert load(tmp_path, {"id": "s", "title": "S", "engine": "scripted"}).source is None


def test_the_shipped_manifests_are_good() -> None:
    manifests = [load_manifest(path, engine_inputs()) for path in sorted(manifests_dir().glob("*.toml"))]
    assert "smollm2-135m-instruct" in [m.id for m in manifests]
    for manifest in manifests:
        assert manifest.licence
        assert manifest.description
        assert manifest.languages


SAMPLING = "sampling"
BAD: list[tuple[dict[str, Any], str, str]] = [
    # A typing mistake must not be a silent default.
    (folder_model(langauges=["en"]), "langauges", "allowed there: adapters, architecture"),
    (folder_model(source={"kind": "folder", "path": "w", "url": "x"}), "url", "allowed there: kind, path"),
    (folder_model(files=[{"path": "m.gguf", "sha1": "x"}]), "sha1", "allowed there: path, sha256, size_bytes"),
    # Ids
    *[
        (folder_model(id=bad), "id", "must be 1 to 64 of")
        for bad in ("", "../evil", "Upper", "a/b", "a b", "-rf", ".hidden", "x" * 65, "a\n", "中文", 7, ["a"])
    ],
    (folder_model(title=" "), "title", "text of"),
    (folder_model(title="bell\x07"), "title", "text of"),
    (folder_model(family="../native"), "family", "family's name"),
    (folder_model(engine="exec"), "engine", "one of: llama_cpp, openai, scripted, torch"),
    (folder_model(kind="tool"), "kind", "one of: chat, reward"),
    (folder_model(languages="en"), "languages", "list"),
    (folder_model(languages=["en", "en"]), "languages", "duplicates"),
    (folder_model(languages=["English"]), "languages", "language code"),
    (folder_model(context_tokens=0), "context_tokens", "whole number"),
    (folder_model(context_tokens=True), "context_tokens", "whole number"),
    (folder_model(context_tokens=4096.0), "context_tokens", "whole number"),
    # Paths
    *[
        (folder_model(files=[{"path": bad}]), "files[0].path", "must be")
        for bad in (
            *("../model.gguf", "/etc/model.gguf", "a/../../model.gguf", "a\\..\\model.gguf", "C:model.gguf"),
            *("a//model.gguf", "./model.gguf", "", "a\x00.gguf", "a\n.gguf", "x" * 300 + ".gguf", 5),
        )
    ],
    (folder_model(files=[{"path": "pytorch_model.bin"}]), "files[0].path", "can't contain code"),
    (folder_model(files=[{"path": "model.pkl"}]), "files[0].path", "can't contain code"),
    (folder_model(source={"kind": "folder", "path": "../elsewhere"}), "source.path", "relative"),
    (folder_model(source={"kind": "folder", "path": "a\x00b"}), "source.path", "text of"),
    # Files
    (folder_model(files=[]), "files", "names no weights"),
    (folder_model(files=[{"path": "config.json"}]), "files", "names no weights"),
    (folder_model(files=[{"path": "model.safetensors"}]), "files", "reads .gguf files"),
    (folder_model(files="model.gguf"), "files", "[[files]]"),
    (folder_model(files=["model.gguf"]), "files[0]", "must be a table"),
    (folder_model(files=[{"path": "a.gguf"}, {"path": "a.gguf"}]), "files", "same path"),
    (folder_model(files=[{"path": f"{i}.gguf"} for i in range(513)]), "files", "at most 512"),
    *[
        (folder_model(files=[{"path": "a.gguf", "sha256": bad}]), "files[0].sha256", "64 hexadecimal")
        for bad in ("", "ab", "AB" * 32, "zz" * 32, SUM + "0", 12)
    ],
    *[
        (folder_model(files=[{"path": "a.gguf", "size_bytes": bad}]), "files[0].size_bytes", "whole number")
        for bad in (0, -1, 1 << 60, "10", 1.5)
    ],
    (folder_model(adapters=["other.gguf"]), "adapters[0]", "must be a table"),
    (folder_model(quantizations=["nf4"]), "quantizations", "works with the engine torch"),
    (folder_model(architecture={"model_type": "llama"}), "architecture", "works with the engine torch"),
    *[
        (torch_model(architecture={"hidden_size": bad}), "architecture.hidden_size", "positive whole number")
        for bad in (0, -1, 1 << 40, 1.5, [1])
    ],
    # The engine torch: a folder, its quantizations and adapters
    (torch_model(quantizations=["int3"]), "quantizations", "one of: none, int8, nf4"),
    (torch_model(quantizations=["nf4", "nf4"]), "quantizations", "duplicates"),
    (torch_model(source=wheel_model()["source"]), "source", "takes a folder"),
    (torch_model(files=[{"path": "model.safetensors"}]), "files", "config.json"),
    (torch_model(files=[{"path": "config.json"}]), "files", ".safetensors"),
    *[
        (torch_model(adapters=[{"name": bad, "path": "a"}]), "adapters[0].name", "1 to 64")
        for bad in ("", "a+b", "a@b")
    ],
    *[
        (torch_model(adapters=[{"name": "a", "path": bad}]), "adapters[0].path", "")
        for bad in ("", "../a", "a/../../b", "a\\b")
    ],
    (torch_model(adapters=[{"name": "a", "path": "a"}, {"name": "a", "path": "b"}]), "adapters", "different names"),
    # Wheels: nothing that pip could take for an option, an address or a second package
    *[
        (wheel_model({"requirement": bad}), "source.requirement", "name==version")
        for bad in (
            *("--index-url=http://evil.example", "-rfile.txt", "tiny", "tiny>=1", "tiny==1 --pre", "tiny==1\n-r x"),
            *("tiny @ http://evil.example/x.whl", "http://evil.example/x.whl", "./tiny.whl", "tiny==1;os_name=='x'"),
            *("tiny[extra]==1", "tiny==", "==1", "tiny==*", "", ["tiny==1"]),
        )
    ],
    *[(wheel_model({"member": bad}), "source.member", "relative path") for bad in ("../x.gguf", "/x.gguf", "")],
    (wheel_model({"download_bytes": 0}), "source.download_bytes", "whole number"),
    (wheel_model(files=[{"path": "a.gguf", "size_bytes": 1}]), "files", "sha256 and size_bytes"),
    (wheel_model(files=[{"path": "a.gguf", "sha256": SUM}]), "files", "sha256 and size_bytes"),
    # Upstreams
    *[
        (upstream_model(base_url=bad), "source.base_url", "address")
        for bad in (
            *("file:///etc/passwd", "ftp://x/v1", "//host/v1", "http://", "http://user:pw@host/v1", "host:80"),
            *("http://host:port/v1", "http://[::1/v1", "http://host/v1?key=1", "http://host/v1#a", "http://a b/v1"),
        )
    ],
    *[
        (upstream_model(api_key_env=bad), "source.api_key_env", "NAME")
        for bad in ("sk-live-123", "", "A B", "$KEY", "1KEY")
    ],
    # Sources and engines that do not go together
    ({"id": "a", "title": "A", "engine": "llama_cpp"}, "source.kind", "one of: folder, hub, wheel, upstream"),
    (folder_model(engine="openai"), "source", "openai takes an upstream"),
    (folder_model(engine="scripted"), "source", "scripted takes none"),
    ({**upstream_model(), "engine": "llama_cpp"}, "source", "does not work with"),
    ({**upstream_model(), "files": [{"path": "a.gguf"}]}, "files", "remove [[files]]"),
    (folder_model(source="folder"), "source", "must be a table"),
    (folder_model(source={"kind": "ftp"}), "source.kind", "one of"),
    # Hubs: names that can't lead elsewhere
    *[
        (torch_model(source={"kind": "hub", "repo": bad}), "source.repo", "owner/name")
        for bad in ("", "llama", "a/b/c", "../b", "a/..", "https://hub.example/a/b", "-x/y", "a/b?c")
    ],
    (torch_model(source={"kind": "hub", "repo": "a/b", "revision": "../x"}), "source.revision", "a branch"),
    (torch_model(source={"kind": "hub", "repo": "a/b", "base": "../x"}), "source.base", "the id of the model"),
    (folder_model(source={"kind": "hub", "repo": "a/b", "base": "llama-7b"}), "source", "works with the engine torch"),
    # Sampling
    (folder_model(sampling={"temperature": float("nan")}), SAMPLING, "temperature must be a number"),
    (folder_model(sampling={"temperature": 99}), SAMPLING, "temperature"),
    (folder_model(sampling={"top_p": 0}), SAMPLING, "top_p"),
    (folder_model(sampling={"top_p": "high"}), SAMPLING, "top_p"),
    (folder_model(sampling={"temprature": 1}), SAMPLING, "not a sampling parameter"),
    (folder_model(sampling={"stop": [5]}), "sampling.stop", "text that ends a reply"),
    (folder_model(sampling={"stop": ["x" * 200]}), SAMPLING, "stop"),
]


@pytest.mark.parametrize(("values", "key", "words"), BAD)
def test_bad_manifests_are_refused(tmp_path: Path, values: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        load(tmp_path, values)
    assert str(tmp_path / "model.toml") in caught.value.message
    assert caught.value.details["key"] == key
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"id = ", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a = " + b"[" * 20_000, "nested too deeply|not valid TOML"),
        (b"#" * 70_000, "larger than 64 KiB"),
        (b'id = "a"\nid = "b"', "not valid TOML"),
        (b"", "engine"),
    ],
)
def test_files_that_are_no_manifests(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(InvalidManifest, match=words):
        load_manifest(path, engine_inputs())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match="cannot be read"):
        load_manifest(tmp_path / "none.toml", engine_inputs())


@pytest.mark.parametrize("good", ["a", "a.gguf", "a/b.gguf", "…/模型.gguf", "..a", "a..b"])
def test_safe_paths(good: str) -> None:
    assert safe_relative(good)


def test_the_description_is_told_in_the_readers_language(tmp_path: Path) -> None:
    manifest = load(tmp_path, folder_model(description="Good.", translations={"zh": "好。"}))
    assert manifest.described(["zh-CN", "en"]) == "好。"
    assert manifest.described(["en-GB", "zh"]) == "Good."
    assert manifest.described(["fr", "zh"]) == "好。"
    assert manifest.described([]) == "Good."


@pytest.mark.parametrize("bad", [{"z": "x"}, {"zh": 1}, {"zh": ""}, {"not a code": "x"}, {"zh": ["x"]}])
def test_translations_that_make_no_sense_are_refused(tmp_path: Path, bad: dict[str, object]) -> None:
    with pytest.raises(InvalidManifest, match="translations"):
        load(tmp_path, folder_model(translations=bad))
