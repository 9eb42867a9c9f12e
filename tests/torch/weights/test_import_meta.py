"""Meta's own LLaMA files become a Hugging Face folder that computes and cuts texts as the original does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from app.errors import FetchCancelled, InvalidImport  # noqa: E402
from app.models.catalog import Catalog  # noqa: E402
from app.weights.checksums import Checksums  # noqa: E402
from app.weights.formats.sha256sums import read_checksums  # noqa: E402
from app.weights.importing import source as source_module  # noqa: E402
from app.weights.importing.importer import Imported, import_model  # noqa: E402
from app.weights.importing.safetensors_worker import rows  # noqa: E402
from app.weights.importing.safetensors_worker.llama import Params, from_shards  # noqa: E402
from app.weights.importing.safetensors_worker.rows import Refused  # noqa: E402
from app.weights.importing.safetensors_worker.stored import open_weights  # noqa: E402
from tests.support import meta_files  # noqa: E402
from tests.support.meta_files import tensors, write_meta  # noqa: E402
from tests.support.shared import shared  # noqa: E402
from tests.support.tiny_models import tiny_llama  # noqa: E402
from tests.torch.rounding import assert_same  # noqa: E402
from tests.torch.weights.test_convert import Payload, same  # noqa: E402


def bring(path: Path, store: Path, name: str = "", **more: Any) -> Imported:
    return import_model(path, store, name, lambda _: None, lambda: False, **more)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four heads share keys and values of four: so that it can be cut into four shards, and two of them grouped."""
    return tiny_llama(tmp_path_factory.mktemp("hf") / "tiny", num_attention_heads=8, num_key_value_heads=4)


def logits(folder: Path, ids: list[int]) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits


@pytest.mark.parametrize("shards", [1, pytest.param(2, marks=pytest.mark.own_process), 4])
def test_the_same_weights_and_logits(original: Path, tmp_path: Path, shards: int) -> None:
    done = bring(write_meta(original, tmp_path / "7B", shards), tmp_path / "store", "llama")
    assert same(tensors(done.folder), tensors(original))
    ids = [1, 5, 300, 301, 302, 17, 599, 42]
    assert_same(logits(done.folder, ids), logits(original, ids))
    assert Catalog(tmp_path / "store").status("llama").state == "ready"
    checksums = Checksums(tmp_path)
    assert {path.name for path in done.folder.iterdir()} - {"SHA256SUMS"} == set(read_checksums(done.folder))
    assert all(checksums.sha256(done.folder / name) == digest for name, digest in read_checksums(done.folder).items())


def test_what_the_first_llama_lacks(original: Path, tmp_path: Path) -> None:
    """No grouped heads: as many keys as queries; a vocabulary that params.json does not count; a tokenizer above."""
    plain = tiny_llama(tmp_path / "plain", num_key_value_heads=4)
    folder = write_meta(plain, tmp_path / "LLaMA" / "13B", 2)
    (folder / "tokenizer.model").rename(tmp_path / "LLaMA" / "tokenizer.model")
    params = json.loads((folder / "params.json").read_text())
    del params["n_kv_heads"]
    (folder / "params.json").write_text(json.dumps(params))
    done = bring(folder, tmp_path / "store")
    config = json.loads((done.folder / "config.json").read_text())
    assert (config["max_position_embeddings"], config["num_key_value_heads"], config["vocab_size"]) == (2048, 4, 600)
    assert same(tensors(done.folder), tensors(plain))


@pytest.mark.parametrize(
    ("params", "context"),
    [
        ({"n_heads": 32, "norm_eps": 1e-6}, 2048),
        ({"n_heads": 32, "norm_eps": 1e-5}, 4096),
        ({"n_heads": 64, "norm_eps": 1e-5}, 2048),
        ({"n_heads": 64, "n_kv_heads": 8, "norm_eps": 1e-5, "ffn_dim_multiplier": 1.3}, 4096),
        ({"n_heads": 64, "n_kv_heads": 8, "norm_eps": 1e-5, "rope_theta": 1e6}, 16384),
    ],
)
def test_which_generation(params: dict[str, Any], context: int) -> None:
    from app.weights.importing.meta import MetaFolder

    assert MetaFolder(Path("x"), (), None, params).context_tokens == context


def test_a_large_model_comes_in_several_files(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "SHARD_BYTES", 200_000)
    folder = write_meta(original, tmp_path / "7B", 2)
    store = tmp_path / "store"

    def one_finished() -> bool:
        return bool(list((store / "weights" / ".partial").glob("import-7B/*.safetensors")))

    with pytest.raises(FetchCancelled, match="to resume"):
        import_model(folder, store, "", lambda _: None, one_finished)
    kept = {p.name: p.stat().st_mtime_ns for p in (store / "weights" / ".partial" / "import-7B").glob("*.safetensors")}
    assert kept
    assert not (store / "weights" / "7B").exists()
    done = bring(folder, store)
    files = sorted(done.folder.glob("*.safetensors"))
    assert len(files) > 2
    assert all(path.stat().st_size < 400_000 for path in files)
    assert {name: (done.folder / name).stat().st_mtime_ns for name in kept} == kept
    assert same(tensors(done.folder), tensors(original))
    assert Catalog(store).status("7b").state == "ready"


TEXTS = [
    "Hello world",
    "  two  spaces ",
    " ",
    " " * 37 + "deep",
    "def f(x):\n    return x\n\n\t# ok",
    "你好，世界！ 我们",
    "😀 👨‍👩‍👧 e\u0301 \u200b",
    "Река, مرحبا, 12345.678",
    "a▁b",
    "",
    "<unk",
]


def test_texts_are_cut_as_sentencepiece_cuts_them(tmp_path: Path) -> None:
    import sentencepiece
    from transformers import AutoTokenizer

    from app.weights.importing.llama_tokenizer import tokenizer_files

    model = shared("golden/llama/tokenizer.model")
    shutil.copyfile(model, tmp_path / "tokenizer.model")
    for name, text in tokenizer_files(model, 2048).items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    wanted = sentencepiece.SentencePieceProcessor(model_file=str(model))
    for text in [*TEXTS, Path(meta_files.__file__).read_text("utf-8")]:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == wanted.encode(text), text
    assert tokenizer("hi")["input_ids"] == [1, *wanted.encode("hi")]
    assert tokenizer.decode(wanted.encode("你好 world")) == "你好 world"


def test_a_chat_model_gets_its_prompts(original: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = write_meta(original, tmp_path / "llama-2-7b-chat", 1)
    done = bring(folder, tmp_path / "store")
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
    ]
    text = AutoTokenizer.from_pretrained(done.folder).apply_chat_template(turns, tokenize=False)
    assert text == ("<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello. </s><s>[INST] Bye [/INST]")


# -- what is wrong with it --------------------------------------------------------------------------


def refused(folder: Path, tmp_path: Path, words: str) -> None:
    with pytest.raises(InvalidImport, match=words):
        bring(folder, tmp_path / "store", "bad")
    assert not (tmp_path / "store" / "weights" / "bad").exists()
    assert not list((tmp_path / "store").glob("weights/.partial/import-bad/*.safetensors"))


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_missing_shard(original: Path, tmp_path: Path, missing: int) -> None:
    folder = write_meta(original, tmp_path / "7B", 4)
    (folder / f"consolidated.{missing:02d}.pth").unlink()
    refused(folder, tmp_path, f"lacks consolidated.0{missing}" if missing < 3 else "Are all consolidated files there")


def test_a_cut_shard(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "7B", 2)
    path = folder / "consolidated.01.pth"
    os.truncate(path, path.stat().st_size // 2)
    refused(folder, tmp_path, r"consolidated\.01\.pth is damaged")


def test_a_shard_of_another_model(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "7B", 2)
    other = write_meta(tiny_llama(tmp_path / "o", intermediate_size=96, num_attention_heads=8), tmp_path / "13B", 2)
    shutil.copyfile(other / "consolidated.01.pth", folder / "consolidated.01.pth")
    refused(folder, tmp_path, "different shapes")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_heads": 4}, r"params\.json asks for"),
        ({"dim": 1 << 40}, "says dim"),
        ({"dim": "64"}, "says dim"),
        ({"n_heads": 0}, "says n_heads"),
        ({"n_kv_heads": 3}, "don't divide"),
        ({"norm_eps": -1}, "says norm_eps"),
    ],
)
def test_figures_that_lie(original: Path, tmp_path: Path, params: dict[str, Any], words: str) -> None:
    refused(write_meta(original, tmp_path / "7B", 2, **params), tmp_path, words)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"layers": 1}, r"holds layers\.1\."),
        ({"layers": 3}, r"lacks layers\.2\."),
        ({"width": 128}, r"params\.json asks for"),
        ({"heads": 4, "kv_heads": 1}, r"attention\.wk\.weight .* params\.json asks for"),
    ],
)
def test_figures_that_the_weights_do_not_have(
    original: Path, tmp_path: Path, figures: dict[str, int], words: str
) -> None:
    folder = write_meta(original, tmp_path / "7B", 2)
    shards = [open_weights(path) for path in sorted(folder.glob("*.pth"))]
    params = {"width": 64, "layers": 2, "heads": 8, "kv_heads": 4}
    assert len(from_shards(shards, Params(**params))) == 21
    with pytest.raises(Refused, match=words):
        from_shards(shards, Params(**{**params, **figures}))


def test_metas_own_checksums(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "7B", 2)
    lines = [f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(folder.glob("*.pth"))]
    (folder / "checklist.chk").write_text("".join(lines))
    path = folder / "consolidated.01.pth"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    refused(folder, tmp_path, r"consolidated\.01\.pth does not match its MD5")


def test_llama_3s_tokenizer(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "8B", 1)
    (folder / "tokenizer.model").write_text("IQ== 0\nIg== 1\n")
    refused(folder, tmp_path, "Hugging Face's layout")


def test_files_that_are_not_there(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "7B", 1)
    (folder / "tokenizer.model").write_bytes(b"rubbish")
    refused(folder, tmp_path, "tokenizer.model is damaged")
    (folder / "tokenizer.model").unlink()
    refused(folder, tmp_path, "Neither .* has tokenizer.model")
    (folder / "params.json").unlink()
    refused(folder, tmp_path, "lacks params.json")


def test_a_shard_that_carries_code(original: Path, tmp_path: Path) -> None:
    folder = write_meta(original, tmp_path / "7B", 2)
    torch.save({"layers": Payload(tmp_path / "canary")}, folder / "consolidated.00.pth")
    refused(folder, tmp_path, "was not loaded")
    assert not (tmp_path / "canary").exists()


def test_it_is_joined_a_few_rows_at_a_time(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    real = rows.Rows.pieces

    def pieces(self: rows.Rows) -> Iterator[Any]:
        nonlocal largest
        for piece in real(self):
            largest = max(largest, piece.numel() * piece.element_size())
            yield piece

    monkeypatch.setattr(rows, "CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(rows.Rows, "pieces", pieces)
    done = bring(write_meta(original, tmp_path / "7B", 2), tmp_path / "store")
    assert 0 < largest <= 1 << 14
    assert same(tensors(done.folder), tensors(original))
