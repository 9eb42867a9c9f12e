from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ModelNotFound
from app.models.catalog import Catalog
from app.models.references import ModelReference, parse, with_adapter
from tests.support.safetensors_files import write_llama, write_lora


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("chatglm-6b", ("chatglm-6b", "", "")),
        ("chatglm-6b@nf4", ("chatglm-6b", "nf4", "")),
        ("chatglm-6b+my.lora", ("chatglm-6b", "", "my.lora")),
        ("chatglm-6b@int8+a_b", ("chatglm-6b", "int8", "a_b")),
    ],
)
def test_parts_and_back(text: str, parts: tuple[str, str, str]) -> None:
    found = parse(text)
    assert found == ModelReference(*parts)
    assert str(found) == text
    assert with_adapter(found.model, found.adapter or None) == text


@pytest.mark.parametrize("bad", ["", "@nf4", "+a", "a@", "a+", "a+b@c", "a@b@c", "a+b+c", "a@b+", "x" * 161])
def test_what_names_no_model(bad: str) -> None:
    with pytest.raises(ModelNotFound, match="is not a model"):
        parse(bad)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    write_llama(tmp_path / "weights" / "tiny")
    write_lora(tmp_path / "adapters" / "polite", "someone/tiny", {"model.layers.0.self_attn.q_proj": (8, 8)})
    return Catalog(tmp_path)


def test_the_catalog_chooses_a_quantization(catalog: Catalog) -> None:
    assert [catalog.get(r).id for r in ("tiny", "tiny@none", "tiny@nf4", "tiny@nf4+polite")] == [
        *("tiny", "tiny", "tiny@nf4", "tiny@nf4")
    ]
    chosen = catalog.get("tiny@nf4")
    assert (chosen.load_as, chosen.quantization, chosen.base_id) == ("nf4", "nf4", "tiny")
    assert catalog.get("tiny").quantization == "bfloat16"
    assert catalog.weights("tiny@nf4") == catalog.weights("tiny")
    assert catalog.digest("tiny@nf4+polite") == catalog.digest("tiny")
    assert catalog.adapters("tiny@int8") == {"polite": catalog.store_dir / "adapters" / "polite"}


@pytest.mark.parametrize(
    ("reference", "words", "known"),
    [
        ("tiny@int4", "can't be loaded as 'int4'; available: none, int8, nf4", ["tiny@none", "tiny@int8", "tiny@nf4"]),
        ("tiny+rude", "no adapter 'rude'; available: polite", ["tiny+polite"]),
        ("smollm2-135m-instruct@nf4", "it has none", []),
        ("tyny@nf4", "Did you mean tiny", None),
    ],
)
def test_errors_say_what_there_is(catalog: Catalog, reference: str, words: str, known: list[str] | None) -> None:
    with pytest.raises(ModelNotFound, match=words) as caught:
        catalog.get(reference)
    assert caught.value.details["model_id"] == reference
    if known is not None:
        assert caught.value.details["known"] == known
