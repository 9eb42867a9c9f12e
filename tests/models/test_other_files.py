"""What lies in a store and is no chat model, has an unusual name, or is only a link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.catalog import Catalog
from app.models.service import ModelService
from tests.support.gguf_files import LLAMA, GGUFFile, write_gguf

BERT = {"general.architecture": "bert", "bert.pooling_type": 2, "tokenizer.ggml.tokens": ["a"]}
NO_TOKENS = {key: value for key, value in LLAMA.items() if not key.startswith("tokenizer.")}


def ready(store: Path) -> list[str]:
    return [entry.manifest.id for entry in Catalog(store).entries() if entry.status.state == "ready"]


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({**LLAMA, "general.type": "mmproj"}, "is the projector of a vision model, not a chat model"),
        ({"general.architecture": "clip"}, "is the projector of a vision model"),
        ({**LLAMA, "general.type": "adapter"}, "is a LoRA adapter, not a chat model, so it is not listed. Put it"),
        ({**LLAMA, "general.type": "imatrix"}, "is an importance matrix"),
        ({**LLAMA, "general.type": "vocab"}, "is a vocabulary without weights"),
        ({**LLAMA, "general.type": "x" * 500}, "is of the type 'xxx"),
        (BERT, "is an embedding model"),
        ({**LLAMA, "llama.pooling_type": 1}, "is an embedding model"),
        ({"general.architecture": "flux"}, "is a model that makes pictures"),
        (NO_TOKENS, "is a model without a tokenizer"),
    ],
)
def test_what_is_no_chat_model_is_never_offered(one_shipped: Path, tmp_path: Path, metadata: Any, text: str) -> None:
    write_gguf(tmp_path / "weights" / "a-file.gguf", GGUFFile(metadata))
    write_gguf(tmp_path / "weights" / "folder" / "b-file.gguf", GGUFFile(metadata))
    service = ModelService.from_settings(Settings(model_store=tmp_path), engine_inputs())
    listing = service.listing()
    assert {view.manifest.id for view in listing.models} == {"smollm2-135m-instruct"}
    assert service.default_model() is None
    assert ["weights/a-file.gguf " in p.message or "weights/folder/b-file.gguf " in p.message for p in listing.problems]
    assert all(text in problem.message for problem in listing.problems)
    assert len(listing.problems) == 2


@pytest.mark.parametrize("beside", ["mmproj-model.gguf", "MMPROJ.GGUF"])
def test_a_projector_beside_its_model_does_not_hide_it(one_shipped: Path, tmp_path: Path, beside: str) -> None:
    write_gguf(tmp_path / "weights" / "vision" / "model.gguf")
    write_gguf(tmp_path / "weights" / "vision" / beside, GGUFFile({**LLAMA, "general.type": "mmproj"}))
    assert ready(tmp_path) == ["model"]


def test_the_suffix_may_be_in_capitals(one_shipped: Path, tmp_path: Path) -> None:
    write_gguf(tmp_path / "weights" / "Tiny.GGUF")
    write_gguf(tmp_path / "weights" / "folder" / "other.Gguf")
    assert ready(tmp_path) == ["tiny", "folder"]
    assert Catalog(tmp_path).get("tiny").title == "Tiny"
    assert Catalog(tmp_path).weights("tiny").name == "Tiny.GGUF"


def test_links_to_files_elsewhere_are_models(one_shipped: Path, tmp_path: Path) -> None:
    """As people do who share files with other programs; Hugging Face's cache itself consists of links."""
    elsewhere, weights = tmp_path / "elsewhere", tmp_path / "store" / "weights"
    blob = write_gguf(elsewhere / "blobs" / "0123abcd")
    (elsewhere / "snapshots").mkdir()
    (elsewhere / "snapshots" / "model.gguf").symlink_to(blob)
    weights.mkdir(parents=True)
    (weights / "linked.gguf").symlink_to(elsewhere / "snapshots" / "model.gguf")
    (weights / "in-a-folder").mkdir()
    (weights / "in-a-folder" / "model.gguf").symlink_to(blob)
    (weights / "broken.gguf").symlink_to(elsewhere / "gone.gguf")
    assert ready(tmp_path / "store") == ["linked", "in-a-folder"]
    assert "broken.gguf does not exist" in Catalog(tmp_path / "store").status("broken").detail


def test_models_of_one_title_are_told_apart(one_shipped: Path, tmp_path: Path) -> None:
    for name in ("Q4", "Q8"):
        write_gguf(tmp_path / "weights" / f"tiny-{name}.gguf")
        manifests = tmp_path / "manifests"
        manifests.mkdir(exist_ok=True)
        (manifests / f"tiny-{name.lower()}.toml").write_text(
            f'id = "tiny-{name.lower()}"\ntitle = "Tiny"\nfamily = "native"\nengine = "llama_cpp"\nlanguages = ["en"]\n'
            f'source = {{ kind = "folder", path = "weights" }}\n[[files]]\npath = "tiny-{name}.gguf"\n'
        )
    titles = {entry.manifest.id: entry.manifest.title for entry in Catalog(tmp_path).entries()}
    assert (titles["tiny-q4"], titles["tiny-q8"]) == ("Tiny (tiny-q4)", "Tiny (tiny-q8)")
