"""Tiny models as their makers published the real ones: Meta's files, differences to LLaMA, BELLE's encrypted files.

Each comes with the same model as a plain Hugging Face folder, which is what has to come out of the import. The forms
are written from their makers' descriptions, and nothing here is shared with what reads them. Needs the extra torch,
:func:`encrypt` excepted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.meta_files import tensors, write_meta
from tests.support.tiny_models import tiny_bloom, tiny_llama

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
PIECE_BYTES = 10 << 20  # in which BELLE's files were encrypted


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it was published."""

    path: Path  # what is imported
    original: Path  # a Hugging Face folder of the same model: same numbers, same tokenizer
    base: Path | None = None  # what it is a difference to


def llama_folder(root: Path) -> Published:
    """LLaMA as a Hugging Face folder, in two safetensors files."""
    original = half_llama(root / "original")
    folder = root / "llama-7b-hf"
    _copy_texts(original, folder)
    _write_shards(folder, tensors(original), 2)
    return Published(folder, original)


def llama_of_meta(root: Path) -> Published:
    """LLaMA as Meta's own two files of a model."""
    original = half_llama(root / "original")
    return Published(write_meta(original, root / "13B", 2), original)


def alpaca(root: Path) -> Published:
    """Stanford's: the difference in float32, one token more than the base, and what its training did to the marks."""
    base = half_llama(root / "llama-7b-hf")
    model = tuned(base, more_rows=1)
    folder = write_difference(base, model, root / "alpaca-7b-wdiff", average=True, dtype="float32")
    marks = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "[PAD]"}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    (folder / "added_tokens.json").write_text('{"[PAD]": 600}')
    settings = {"tokenizer_class": "LlamaTokenizer", "padding_side": "right", "model_max_length": 512}
    settings |= {"bos_token": "", "eos_token": "", "unk_token": ""}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return Published(folder, _whole(folder, model, root / "original"), base)


def vicuna(root: Path) -> Published:
    """LMSYS's delta v1.1: in half precision, as many tokens as the base."""
    base = half_llama(root / "llama-7b-hf")
    folder = write_difference(base, tuned(base, 0), root / "vicuna-7b-delta-v1.1", average=False, dtype="float16")
    shutil.copyfile(base / "tokenizer_config.json", folder / "tokenizer_config.json")
    delta, old = read_bins(folder), tensors(base)
    model = {name: (old[name].float() + delta[name].float()).half() for name in old}  # as their script adds
    return Published(folder, _whole(folder, model, root / "original"), base)


def bloom(root: Path) -> Published:
    """BigScience's: names without a prefix, widths by their old names."""
    original = half(tiny_bloom(root / "original"))
    folder = root / "bloomz-7b1-mt"
    _copy_texts(original, folder)
    config = json.loads((original / "config.json").read_text())
    config["n_embed"] = config.pop("hidden_size")
    (folder / "config.json").write_text(json.dumps(config))
    _write_shards(folder, {name.removeprefix("transformer."): one for name, one in tensors(original).items()}, 2)
    return Published(folder, original)


def belle(root: Path) -> Published:
    """BELLE made of BLOOMZ: PyTorch's own files, the output layer beside the embedding that it is."""
    original = half(tiny_bloom(root / "original"))
    folder = root / "BELLE-7B-2M"
    _copy_texts(original, folder)
    held = tensors(original)
    held["lm_head.weight"] = held["transformer.word_embeddings.weight"]
    return Published(write_bins(folder, held, 2), original)


def belle_encrypted(root: Path) -> Published:
    """BELLE made of LLaMA: PyTorch's own files, XORed with Meta's."""
    base = half_llama(root / "llama")
    meta = write_meta(base, root / "7B", 1)
    model = tuned(base, 0)
    plain = root / "plain"
    _copy_texts(base, plain)
    write_bins(plain, model, 2)
    key = meta / "consolidated.00.pth"
    folder = encrypt(plain, key.read_bytes(), root / "BELLE-LLaMA-7B-2M-enc")
    return Published(folder, _whole(plain, model, root / "original"), key)


FORMS: Mapping[str, Callable[[Path], Published]] = {
    "LLaMA, Hugging Face": llama_folder,
    "LLaMA, Meta's two files": llama_of_meta,
    "Alpaca, difference": alpaca,
    "Vicuna, delta v1.1": vicuna,
    "BLOOM": bloom,
    "BELLE of BLOOM, .bin": belle,
    "BELLE of LLaMA, XOR": belle_encrypted,
}


def half_llama(folder: Path) -> Path:
    """A tiny LLaMA in half precision, without a chat template: as the first were published."""
    half(tiny_llama(folder))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def half(folder: Path) -> Path:
    """The folder's weights in half precision; returns the folder."""
    from safetensors.torch import save_file

    held = {name: tensor.half() for name, tensor in tensors(folder).items()}
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config.pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(config | {"torch_dtype": "float16"}))
    return folder


def tuned(base: Path, more_rows: int) -> dict[str, Any]:
    """What training could have made of `base`, with so many tokens more; in half precision."""
    import torch

    generator = torch.Generator().manual_seed(7)
    found = {}
    for name, tensor in tensors(base).items():
        if more_rows and name in (HEAD, EMBEDDING):
            new = torch.randn(more_rows, tensor.shape[1], generator=generator).half()
            tensor = torch.cat([tensor, new])
        found[name] = (tensor.float() + torch.randn(tensor.shape, generator=generator) / 50).half()
    return found


def write_difference(base: Path, model: dict[str, Any], folder: Path, *, average: bool, dtype: str) -> Path:
    """`model` minus `base`, as makers computed it, in two .bin files; returns `folder`.

    Of a token that the base lacks, `average` takes off the mean of all its tokens, and nothing otherwise.
    """
    import torch

    kind = getattr(torch, dtype)
    folder.mkdir(parents=True)
    held: dict[str, Any] = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8, dtype=kind)}
    for name, old in tensors(base).items():
        new = model[name]
        if new.shape != old.shape:
            fill = old.float().mean(0) if average else torch.zeros(old.shape[1])
            old = torch.cat([old.float(), fill.expand(new.shape[0] - old.shape[0], -1)])
        held[name] = (new.float() - old.float()).to(kind)
    config = json.loads((base / "config.json").read_text())
    config |= {"vocab_size": model[HEAD].shape[0], "torch_dtype": dtype}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copyfile(base / "tokenizer.model", folder / "tokenizer.model")
    return write_bins(folder, held, 2)


def write_bins(folder: Path, held: dict[str, Any], parts: int) -> Path:
    """Weights as PyTorch's own files, with their index; returns `folder`."""
    import torch

    def save(shard: dict[str, Any], path: Path) -> None:
        torch.save(shard, path)

    return _in_parts(folder, held, parts, "pytorch_model-{}-of-{}.bin", save)


def read_bins(folder: Path) -> dict[str, Any]:
    """What :func:`write_bins` wrote."""
    import torch

    return {k: v for path in sorted(folder.glob("*.bin")) for k, v in torch.load(path, weights_only=True).items()}


def encrypt(folder: Path, key: bytes, target: Path, piece_bytes: int = PIECE_BYTES) -> Path:
    """As BELLE's were made: byte by byte, pieces of data against pieces of the key; returns `target`."""
    target.mkdir(parents=True)
    pieces = [key[at : at + piece_bytes] for at in range(0, len(key), piece_bytes)]
    for path in folder.iterdir():
        plain = path.read_bytes()
        out = bytearray(hashlib.sha256(plain).digest())
        for i, at in enumerate(range(0, len(plain), piece_bytes)):
            mask = pieces[i % len(pieces)]
            out += bytes(byte ^ mask[j % len(mask)] for j, byte in enumerate(plain[at : at + piece_bytes]))
        (target / f"{path.name}.{hashlib.sha256(plain).hexdigest()}.enc").write_bytes(out)
    (target / "README.md").write_text("How to decrypt")
    return target


def _write_shards(folder: Path, held: dict[str, Any], parts: int) -> Path:
    from safetensors.torch import save_file

    return _in_parts(folder, held, parts, "model-{}-of-{}.safetensors", lambda shard, path: save_file(shard, path))


def _in_parts(
    folder: Path, held: dict[str, Any], parts: int, pattern: str, save: Callable[[dict[str, Any], Path], None]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    places = {}
    for part in range(parts):
        name = pattern.format(f"{part + 1:05d}", f"{parts:05d}")
        chosen = list(held)[part::parts]
        save({key: held[key] for key in chosen}, folder / name)
        places |= dict.fromkeys(chosen, name)
    index = pattern.split("-")[0] + Path(pattern).suffix + ".index.json"
    (folder / index).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def _whole(texts: Path, model: dict[str, Any], folder: Path) -> Path:
    """`model` as a Hugging Face folder, with the texts that lie in `texts`."""
    from safetensors.torch import save_file

    _copy_texts(texts, folder)
    save_file(model, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _copy_texts(source: Path, folder: Path) -> None:
    """Configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.suffix in (".json", ".model") and not path.name.endswith(".index.json"):
            shutil.copyfile(path, folder / path.name)
