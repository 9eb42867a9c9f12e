"""Hugging Face folders in the store: what is said of them, with and without a manifest, and their adapters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights, ModelNotFound
from app.models.catalog import Catalog
from app.models.checkpoint_folders import CHATGLM_SAMPLING
from app.models.manifest import Manifest
from tests.support.safetensors_files import write, write_llama, write_lora

pytestmark = pytest.mark.usefixtures("one_shipped")

GOLDEN = Path(__file__).parents[1] / "golden"
QKV = {"transformer.layers.0.attention.query_key_value": (192, 64)}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    chatglm = tmp_path / "weights" / "ChatGLM-6B"
    chatglm.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(GOLDEN / "chatglm" / "base" / name, chatglm / name)
    (chatglm / "modeling_chatglm.py").write_text("raise SystemExit")
    write_llama(tmp_path / "weights" / "tiny")
    return tmp_path


def golden(store: Path, which: str, name: str, **settings: Any) -> Manifest:
    """A golden folder put into the store; `settings` go into its tokenizer_config.json."""
    folder = store / "weights" / name
    shutil.copytree(GOLDEN / which, folder, ignore=lambda _, names: [n for n in names if n.startswith("cases")])
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return Catalog(store).get(name)


def test_a_chatglm_folder_describes_itself(store: Path) -> None:
    catalog = Catalog(store)
    manifest = catalog.get("chatglm-6b")
    assert (manifest.title, manifest.engine, manifest.family) == ("ChatGLM-6B", "torch", "chatglm")
    assert (manifest.context_tokens, manifest.parameters, manifest.quantization) == (128, "166K", "float16")
    assert manifest.quantizations == ("none", "int8", "nf4")
    assert manifest.languages == ("zh", "en")
    assert manifest.default_sampling == CHATGLM_SAMPLING
    assert (CHATGLM_SAMPLING.temperature, CHATGLM_SAMPLING.top_p, CHATGLM_SAMPLING.top_k) == (0.95, 0.7, 50)
    status = catalog.status("chatglm-6b")
    assert status.state == "ready"
    assert status.detail == "Code in this folder is never run: modeling_chatglm.py, auto_map."
    assert catalog.weights("chatglm-6b") == store / "weights" / "ChatGLM-6B"
    assert {f.path for f in manifest.files} == {"config.json", "model.safetensors"}


def test_any_other_folder_too(store: Path) -> None:
    catalog = Catalog(store)
    manifest = catalog.get("tiny")
    assert (manifest.family, manifest.context_tokens, manifest.languages) == ("transcript", 256, ())
    assert [f.path for f in manifest.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    ways = {q: catalog.status(f"tiny@{q}").memory for q in manifest.quantizations}
    assert all(way is not None and way.context_tokens == 256 for way in ways.values())


@pytest.mark.parametrize(
    ("which", "name", "settings", "family", "quantizations"),
    [
        ("chatglm2/base", "plain", {}, "chatglm2", ("none", "int8", "nf4")),
        ("chatglm2/base", "my-chatglm3-6b", {}, "chatglm3", ("none", "int8", "nf4")),
        ("chatglm2/base", "x", {"additional_special_tokens": ["<|assistant|>"]}, "chatglm3", ("none", "int8", "nf4")),
        ("chatglm2/int4", "small", {}, "chatglm2", ("int4",)),
        ("chatglm/int8", "eight", {}, "chatglm", ("int8",)),
        ("chatglm/int4_embeddings", "four", {}, "chatglm", ("int4",)),
    ],
)
def test_generations_and_layouts(
    store: Path, which: str, name: str, settings: dict[str, Any], family: str, quantizations: tuple[str, ...]
) -> None:
    manifest = golden(store, which, name, **settings)
    assert (manifest.family, manifest.quantizations) == (family, quantizations)
    assert manifest.id == name
    assert manifest.load_as == quantizations[0]


def test_a_manifest_has_the_last_word(store: Path) -> None:
    (store / "manifests").mkdir()
    (store / "manifests" / "mine.toml").write_text(
        'id = "mine"\ntitle = "Mine"\nfamily = "chatglm2"\nengine = "torch"\nquantizations = ["nf4", "none"]\n'
        'context_tokens = 64\n[source]\nkind = "folder"\npath = "weights/ChatGLM-6B"\n[sampling]\ntemperature = 0.1\n'
    )
    catalog = Catalog(store)
    with pytest.raises(ModelNotFound):  # described once
        catalog.get("chatglm-6b")
    manifest = catalog.get("mine")
    assert (manifest.family, manifest.load_as, manifest.context_tokens) == ("chatglm2", "nf4", 64)
    assert manifest.default_sampling.temperature == 0.1
    assert manifest.parameters == "166K"
    assert catalog.get("mine@none").id == "mine@none"


def test_a_folder_that_is_not_there_is_told(store: Path) -> None:
    (store / "manifests").mkdir()
    (store / "manifests" / "gone.toml").write_text(
        'id = "gone"\ntitle = "Gone"\nengine = "torch"\n[source]\nkind = "folder"\npath = "/nowhere/at/all"\n'
    )
    status = Catalog(store).status("gone")
    assert status.state == "not_fetched"
    assert "config.json does not exist" in status.detail


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth"])
def test_pickles_are_named_with_the_cure(store: Path, name: str) -> None:
    folder = write_llama(store / "weights" / "old")
    (folder / "model.safetensors").rename(folder / name)
    catalog = Catalog(store)
    status = catalog.status("old")
    assert status.state == "damaged"
    assert f"parley models import {folder}" in status.detail
    with pytest.raises(DamagedWeights, match="parley models import"):
        catalog.weights("old")


def test_what_changes_is_seen_at_once(store: Path) -> None:
    catalog = Catalog(store)
    path = store / "weights" / "tiny" / "model.safetensors"
    assert catalog.status("tiny").state == "ready"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert catalog.status("tiny").state == "damaged"
    path.write_bytes(whole)
    assert catalog.status("tiny").state == "ready"
    shutil.rmtree(path.parent)
    with pytest.raises(ModelNotFound):
        catalog.status("tiny")


def test_folders_that_are_no_models_are_passed_over(store: Path) -> None:
    (store / "weights" / "empty").mkdir()
    write_llama(store / "weights" / ".partial")
    (store / "weights" / "notes.txt").write_text("x")
    assert [m.id for m in Catalog(store).list() if m.engine == "torch"] == ["chatglm-6b", "tiny"]


# -- adapters ---------------------------------------------------------------------------------------


def prefix(folder: Path, base: str = "THUDM/chatglm-6b", length: int = 8, width: int = 384) -> Path:
    write(folder / "model.safetensors", {"transformer.prefix_encoder.embedding.weight": ("F32", (length, width))})
    (folder / "config.json").write_text(json.dumps({"pre_seq_len": 8, "_name_or_path": base}))
    return folder


def test_adapters_come_with_the_model_that_they_name(store: Path) -> None:
    lora = write_lora(store / "adapters" / "My LoRA", "THUDM/chatglm-6b/", QKV)
    tuned = prefix(store / "adapters" / "tuned")
    write_lora(store / "adapters" / "of-another", "someone/else", QKV)
    (store / "adapters" / "empty").mkdir()
    catalog = Catalog(store)
    assert [(a.name, a.title) for a in catalog.get("chatglm-6b").adapters] == [
        ("my-lora", "My LoRA"),
        ("tuned", "tuned"),
    ]
    assert catalog.get("tiny").adapters == ()
    assert catalog.adapters("chatglm-6b@nf4") == {"my-lora": lora, "tuned": tuned}
    catalog.check_adapter("chatglm-6b+tuned")


def test_adapters_of_a_packed_model(store: Path) -> None:
    golden(store, "chatglm/int4_embeddings", "four")
    write_lora(store / "adapters" / "a", "x/four", QKV)
    assert list(Catalog(store).adapters("four")) == ["a"]


def test_a_manifest_names_adapters_where_they_lie(store: Path, tmp_path: Path) -> None:
    write_lora(store / "weights" / "tiny" / "sub", "another/name", {"model.layers.0.self_attn.q_proj": (8, 8)})
    (store / "manifests").mkdir()
    (store / "manifests" / "t.toml").write_text(
        'id = "t"\ntitle = "T"\nengine = "torch"\n[source]\nkind = "folder"\npath = "weights/tiny"\n'
        '[[adapters]]\nname = "a"\npath = "sub"\n[[adapters]]\nname = "b"\npath = "/nowhere"\n'
    )
    catalog = Catalog(store)
    assert list(catalog.adapters("t")) == ["a"]  # a broken one does not keep the model from loading
    with pytest.raises(DamagedWeights, match="The adapter b"):
        catalog.check_adapter("t+b")


WRONG = [
    ({"modules": {"transformer.layers.0.attention.query_key_value": (96, 32)}}, "made for another model"),
    ({"modules": {"transformer.layers.9.attention.dense": (64, 64)}}, "which does not exist"),
    ({"modules": QKV, "r": 4}, "says rank 4"),
    ({"modules": QKV, "r": 0}, "has the rank 0"),
    ({"modules": QKV, "r": 1 << 40}, "has the rank"),
    ({"modules": QKV, "peft_type": "IA3"}, "of the type 'IA3'"),
    ({"modules": {}}, "has no weights"),
]


@pytest.mark.parametrize(("made", "words"), WRONG)
def test_lora_of_another_base_is_refused(store: Path, made: dict[str, Any], words: str) -> None:
    write_lora(store / "adapters" / "bad", "x/chatglm-6b", **made)
    catalog = Catalog(store)
    assert catalog.adapters("chatglm-6b") == {}
    with pytest.raises(DamagedWeights, match=words) as caught:
        catalog.check_adapter("chatglm-6b+bad")
    assert caught.value.details["model_id"] == "chatglm-6b+bad"
    assert catalog.status("chatglm-6b").state == "ready"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"base_model.model.x.lora_A.weight": ("F32", (2, 64))}, "only a part"),
        ({"base_model.model.x.lora_magnitude_vector": ("F32", (2,))}, "not a LoRA weight"),
    ],
)
def test_lora_with_strange_tensors_is_refused(store: Path, tensors: dict[str, Any], words: str) -> None:
    folder = write_lora(store / "adapters" / "bad", "x/chatglm-6b", QKV)
    write(folder / "adapter_model.safetensors", tensors)
    with pytest.raises(DamagedWeights, match=words):
        Catalog(store).check_adapter("chatglm-6b+bad")


@pytest.mark.parametrize(
    ("name", "words"), [("adapter_model.bin", "parley models import"), ("notes.txt", "lacks adapter_model")]
)
def test_lora_without_safetensors_is_refused(store: Path, name: str, words: str) -> None:
    folder = write_lora(store / "adapters" / "bad", "x/chatglm-6b", QKV)
    (folder / "adapter_model.safetensors").rename(folder / name)
    with pytest.raises(DamagedWeights, match=words):
        Catalog(store).check_adapter("chatglm-6b+bad")


def test_a_prefix_of_another_base_is_refused(store: Path) -> None:
    prefix(store / "adapters" / "wide", width=512)
    prefix(store / "adapters" / "for-tiny", base="x/tiny")
    catalog = Catalog(store)
    with pytest.raises(DamagedWeights, match="in the shape"):
        catalog.check_adapter("chatglm-6b+wide")
    with pytest.raises(DamagedWeights, match="only ChatGLM models take"):
        catalog.check_adapter("tiny+for-tiny")


def test_a_mended_adapter_is_good_again(store: Path) -> None:
    folder = write_lora(store / "adapters" / "a", "x/chatglm-6b", QKV)
    catalog = Catalog(store)
    catalog.check_adapter("chatglm-6b+a")
    write_lora(folder, "x/chatglm-6b", QKV, r=7)
    with pytest.raises(DamagedWeights):
        catalog.check_adapter("chatglm-6b+a")
    write_lora(folder, "x/chatglm-6b", QKV)
    catalog.check_adapter("chatglm-6b+a")
