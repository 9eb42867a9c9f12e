from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'parley-chat[torch]'")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig  # noqa: E402

import app.families.chatglm  # noqa: E402, F401
from app.engine.torch.packed_files import PACKED_FILE, load_packed, read_checkpoint, save_packed  # noqa: E402
from app.engine.torch.packing import PackedInt4Embedding, PackedInt4Linear, PackedInt8Linear  # noqa: E402
from app.families.glm.quantization import QuantizedEmbedding  # noqa: E402
from benchmarks.random_chatglm import RandomChatGLM, Shape  # noqa: E402

TINY = Shape(layers=2, hidden=64, inner=256, heads=4, vocabulary=160)
IDS = torch.arange(20, 40)[None]
KINDS = [(4, True), (4, False), (8, True), (8, False)]


def checkpoint(folder: Path, bits: int = 4, embeddings: bool = True, **config: Any) -> Path:
    """A tiny random checkpoint; `config` changes its config.json."""
    model = RandomChatGLM(TINY, bits, embeddings)
    model.write(folder)
    (folder / "config.json").write_text(json.dumps(model.config() | config))
    return folder


def read(folder: Path) -> Any:
    return read_checkpoint(folder, AutoConfig.from_pretrained(folder), torch.bfloat16)


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(IDS, use_cache=False).logits.float()


def packed(folder: Path, model: Any) -> Path:
    folder.mkdir()
    save_packed(model, folder)
    return folder


@pytest.mark.parametrize(("bits", "embeddings"), KINDS)
def test_a_packed_checkpoint_computes_what_the_plain_one_does(tmp_path: Path, bits: int, embeddings: bool) -> None:
    folder = checkpoint(tmp_path / "model", bits, embeddings)
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = read(folder)
    kind = PackedInt4Linear if bits == 4 else PackedInt8Linear
    assert isinstance(model.transformer.layers[1].mlp.dense_4h_to_h, kind)
    assert not model.training
    expected, found = logits(plain), logits(model)
    # bfloat16 throughout: rounding errors of two layers
    assert float((found - expected).abs().max()) < 0.05 * float(expected.abs().max())


@pytest.mark.parametrize(("bits", "embeddings"), KINDS)
def test_what_was_saved_is_loaded_to_the_bit(tmp_path: Path, bits: int, embeddings: bool) -> None:
    folder = checkpoint(tmp_path / "model", bits, embeddings)
    model = read(folder)
    again = load_packed(packed(tmp_path / "packed", model), model.config, torch.bfloat16)
    assert list(again.state_dict()) == list(model.state_dict())
    assert torch.equal(logits(again), logits(model))
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_a_tied_matrix_is_in_memory_and_on_disk_once(tmp_path: Path) -> None:
    for bits, embeddings in KINDS:
        model = read(checkpoint(tmp_path / f"model{bits}{embeddings}", bits, embeddings))
        place = packed(tmp_path / f"packed{bits}{embeddings}", model)
        loaded = load_packed(place, model.config, torch.bfloat16)
        for one in (model, loaded):
            words, head = one.transformer.word_embeddings, one.lm_head
            if bits == 4 and embeddings:
                assert isinstance(words, PackedInt4Embedding)
                assert words.packed.data_ptr() == head.packed.data_ptr()
            else:
                assert words.weight.data_ptr() == head.weight.data_ptr()
        in_file = load_file(place / PACKED_FILE)
        assert len([name for name in in_file if name.endswith(("word_embeddings.weight", "lm_head.weight"))]) <= 1


def test_an_untied_head_is_a_matrix_of_its_own(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", tie_word_embeddings=False)
    last = max(folder.glob("*.safetensors"))
    tensors = load_file(last)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].flip(0).contiguous()
    save_file(tensors, last)
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = read(folder)
    assert isinstance(model.transformer.word_embeddings, QuantizedEmbedding)
    expected = logits(plain)
    again = load_packed(packed(tmp_path / "packed", model), model.config, torch.bfloat16)
    for one in (model, again):
        assert float((logits(one) - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_settings_for_generating_are_kept(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    GenerationConfig(eos_token_id=[7, 8], max_new_tokens=5).save_pretrained(folder)
    model = read(folder)
    assert model.generation_config.eos_token_id == [7, 8]
    again = load_packed(packed(tmp_path / "packed", model), model.config, torch.bfloat16)
    assert again.generation_config.eos_token_id == [7, 8]


def test_lacking_and_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    model = read(folder)
    place = packed(tmp_path / "packed", model)
    shards = sorted(folder.glob("*.safetensors"))
    whole = shards[1].read_bytes()
    shards[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"00002-of-00003.* is damaged .*Download the model again"):
        read(folder)
    shards[1].unlink()
    with pytest.raises(ValueError, match=r"lack \d+ tensors of the model, transformer\.layers\.0"):
        read(folder)
    for shard in folder.glob("*.safetensors"):
        shard.unlink()
    with pytest.raises(ValueError, match="no weights"):
        read(folder)
    stored = (place / PACKED_FILE).read_bytes()
    (place / PACKED_FILE).write_bytes(stored[:-100])
    with pytest.raises(ValueError, match=r"packed\.safetensors is damaged .*created again"):
        load_packed(place, model.config, torch.bfloat16)


def test_a_random_checkpoint_follows_from_its_seed(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "other"]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        RandomChatGLM(TINY, seed=seed).write(folder)
    first, same, other = (load_file(min(folder.glob("*.safetensors"))) for folder in folders)
    name = "transformer.word_embeddings.weight"
    assert torch.equal(first[name], same[name])
    assert not torch.equal(first[name], other[name])
    index = json.loads((folders[0] / "model.safetensors.index.json").read_text())
    tensors: dict[str, Any] = {}
    for path in folders[0].glob("*.safetensors"):
        tensors |= load_file(path)
    assert set(index["weight_map"]) == set(tensors)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
    assert torch.equal(tensors["lm_head.weight"], tensors[name])
