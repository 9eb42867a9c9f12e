"""Checkpoints that lie, checked before anything is allocated; ChatGLM's shapes against the golden checkpoints."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights
from app.weights.architectures import bloom
from app.weights.formats.checkpoint import read_checkpoint
from tests.support.safetensors_files import llama_tensors, write, write_llama, write_sharded

GOLDEN = Path(__file__).parents[2] / "golden"
WHOLE = [
    path.parent
    for path in sorted(GOLDEN.glob("chatglm*/*/config.json"))
    if (path.parent / "model.safetensors").exists()
]

Change = Callable[[Path], object]


def copy(source: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(source / name, folder / name)
    return folder


def reconfigure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def test_the_golden_checkpoints_are_here() -> None:
    assert len(WHOLE) >= 6


@pytest.mark.parametrize("folder", WHOLE, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_golden_checkpoints_have_the_shapes_that_their_configuration_asks_for(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    assert checkpoint.is_chatglm
    assert checkpoint.quantization_bits == json.loads((folder / "config.json").read_text()).get("quantization_bit", 0)
    assert checkpoint.code == ("auto_map",)


def test_packed_weights_count_as_many_as_they_are() -> None:
    """int4, int8 and unquantized hold the same model; the scales are few."""
    found = [read_checkpoint(GOLDEN / "chatglm" / name).parameters for name in ("base", "int8", "int4_embeddings")]
    assert max(found) < 1.05 * min(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantization_bit": 3}, "quantization of 3 bits"),
        ({"quantization_bit": "4"}, "quantization of 4 bits"),
        ({"quantization_bit": 8}, "word_embeddings|weight_scale|shape|stored as"),
        ({"hidden_size": 1 << 40}, "whole number"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": 128}, "in the shape"),
        ({"hidden_size": 66, "num_attention_heads": 4}, "do not divide"),
        ({"num_layers": 10**9}, "num_layers"),
        ({"num_layers": 4}, "transformer.layers.3"),
        ({"num_layers": True}, "num_layers"),
        ({"vocab_size": 1 << 23}, "in the shape"),
        ({"inner_hidden_size": 512}, "in the shape"),
        ({"tie_word_embeddings": False, "vocab_size": 255}, "in the shape"),
        ({"pre_seq_len": 8}, "prefix_encoder"),
        ({"pre_seq_len": -1}, "pre_seq_len"),
        ({"padded_vocab_size": 256}, "ffn_hidden_size"),
    ],
)
def test_configurations_that_lie(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = copy(GOLDEN / "chatglm" / "base", tmp_path / "lying")
    reconfigure(folder, **changes)
    tracemalloc.start()
    with pytest.raises(DamagedWeights, match=words) as caught:
        read_checkpoint(folder)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert caught.value.message.startswith("lying ")


def test_a_quantized_layout_without_its_scales(tmp_path: Path) -> None:
    """Half-precision weights where int8 is promised, and int8 without scales."""
    folder = copy(GOLDEN / "chatglm" / "int8", tmp_path / "m")
    reconfigure(folder, quantization_bit=0)
    with pytest.raises(DamagedWeights, match="stored as I8"):
        read_checkpoint(folder)
    reconfigure(folder, quantization_bit=4)
    with pytest.raises(DamagedWeights, match="in the shape"):
        read_checkpoint(folder)


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def _shards(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    return write_sharded(folder, llama_tensors(), 3)


def _without_a_shard(folder: Path) -> None:
    (_shards(folder) / "model-00002-of-00003.safetensors").unlink()


def _index(folder: Path, **places: str) -> None:
    path = _shards(folder) / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] |= places
    path.write_text(json.dumps(index))


def _outside(folder: Path) -> None:
    outside = write(folder.parent / "outside.safetensors", llama_tensors())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(outside)


def _circle(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("config.json")


def _pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


OTHER = {"model_type": "unheard-of"}  # its shapes are known by their outline only
WRONG: list[tuple[str, Change, str]] = [
    ("truncated", _cut, "cut off"),
    ("missing shard", _without_a_shard, "lacks model-00002"),
    ("missing tensor", lambda f: _index(f, extra="model-00001-of-00003.safetensors"), "lacks extra"),
    ("parent", lambda f: _index(f, x="../outside.safetensors"), "names '../outside"),
    ("absolute", lambda f: _index(f, x="/etc/passwd.safetensors"), "not a safetensors file"),
    ("pickle in the index", lambda f: _index(f, x="pytorch_model.bin"), "not a safetensors file"),
    ("hidden", lambda f: _index(f, x="..safetensors"), "not a safetensors file"),
    ("link out", _outside, "points outside"),
    ("link in a circle", _circle, "lacks config.json"),
    ("pipe", _pipe, "is not a file"),
    ("pickles only", _pickled, "parley models import"),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), "holds neither"),
    ("no config", lambda f: (f / "config.json").unlink(), "lacks config.json"),
    ("config is no JSON", lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    ("config is no table", lambda f: (f / "config.json").write_text("[]"), "not a table"),
    ("config is deep", lambda f: (f / "config.json").write_text("[" * 200_000), "not valid JSON"),
    ("config is huge", lambda f: (f / "config.json").write_text(" " * (2 << 20)), "more than 1 MiB"),
    ("empty", lambda f: write(f / "model.safetensors", {}), "no weights at all"),
    ("hidden size", lambda f: reconfigure(f, hidden_size=1 << 20), "in the shape"),
    ("vocabulary", lambda f: reconfigure(f, vocab_size=1 << 23), "in the shape"),
    ("layers", lambda f: reconfigure(f, num_hidden_layers=900), r"model\.layers\.2\."),
    ("another's hidden size", lambda f: reconfigure(f, **OTHER, hidden_size=1 << 20), "no tensor has that size"),
    ("another's vocabulary", lambda f: reconfigure(f, **OTHER, vocab_size=1 << 23), "no tensor has that size"),
    ("another's layers", lambda f: reconfigure(f, **OTHER, num_hidden_layers=900), "the weights have 2"),
    ("other weights", lambda f: reconfigure(f, transformers_weights="pytorch_model.bin"), "transformers_weights"),
    ("adapter inside", lambda f: (f / "adapter_config.json").write_text("{}"), "folder of their own"),
    ("nonsense", lambda f: reconfigure(f, num_hidden_layers="many"), "whole number"),
]


@pytest.mark.parametrize(("change", "words"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_folders_are_refused(tmp_path: Path, change: Change, words: str) -> None:
    folder = write_llama(tmp_path / "tiny")
    assert read_checkpoint(folder).parameters == sum(t.elements for t in read_checkpoint(folder).tensors.values())
    change(folder)
    with pytest.raises(DamagedWeights, match=words):
        read_checkpoint(folder)


def test_shards_are_one_model(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "tiny")
    whole = read_checkpoint(folder).tensors
    assert read_checkpoint(_shards(folder)).tensors == whole


def test_weights_that_a_library_packed_have_shapes_of_their_own(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "tiny", intermediate_size=999)
    with pytest.raises(DamagedWeights, match="in the shape"):
        read_checkpoint(folder)
    reconfigure(folder, quantization_config={"quant_method": "bitsandbytes"})
    assert read_checkpoint(folder).tensors


def test_a_stored_head_that_is_tied_is_held_once(tmp_path: Path) -> None:
    config = {"model_type": "bloom", "hidden_size": 8, "n_layer": 1, "n_head": 2, "vocab_size": 32}
    tensors = {t.name: ("F16", t.shape) for t in bloom.expected_tensors(config)}
    write(tmp_path / "model.safetensors", tensors)
    (tmp_path / "config.json").write_text(json.dumps(config))
    checkpoint = read_checkpoint(tmp_path)
    assert set(checkpoint.tensors) - set(checkpoint.held) == {"lm_head.weight"}
    write(tmp_path / "model.safetensors", {name.removeprefix("transformer."): t for name, t in tensors.items()})
    assert read_checkpoint(tmp_path).parameters == checkpoint.parameters
    reconfigure(tmp_path, n_head=None, num_attention_heads=3)
    with pytest.raises(DamagedWeights, match="do not divide"):
        read_checkpoint(tmp_path)


def test_code_is_named_and_not_read(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "tiny", auto_map={"AutoModel": "modeling_x.X"})
    (folder / "modeling_x.py").write_text("raise SystemExit")
    assert read_checkpoint(folder).code == ("modeling_x.py", "auto_map")


def test_links_inside_hugging_faces_cache_are_its_way(tmp_path: Path) -> None:
    stored = write_llama(tmp_path / "models--o--tiny" / "blobs")
    folder = tmp_path / "models--o--tiny" / "snapshots" / "0123"
    folder.mkdir(parents=True)
    for path in stored.iterdir():
        (folder / path.name).symlink_to(path)
    assert read_checkpoint(folder).parameters
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(write_llama(tmp_path / "elsewhere") / "config.json")
    with pytest.raises(DamagedWeights, match="points outside"):
        read_checkpoint(folder)
