"""Which files of a repository are fetched."""

from __future__ import annotations

import pytest

from app.errors import InvalidImport
from app.weights.fetching.hub_listing import check_names, choose, to_convert

TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"]
SHARDS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
OLD_SHARDS = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
INDEX, OLD_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"
NEVER = ["README.md", ".gitattributes", "modeling.py", "onnx/model.onnx", "tf_model.h5", "flax_model.msgpack"]
NEVER += ["original/params.json", "original/consolidated.00.pth", "trainer_state.json", "training_args.bin", "a:b.json"]
NEVER += ["optimizer.pt", "rust_model.ot", "coreml/model.mlpackage", "LICENSE", "runs/events.json", "eval_results.json"]


@pytest.mark.parametrize(
    ("weights", "left"),
    [
        (["model.safetensors"], ["pytorch_model.bin", *OLD_SHARDS, OLD_INDEX]),
        ([INDEX, *SHARDS], [OLD_INDEX, *OLD_SHARDS, "consolidated.safetensors"]),
        (["model.safetensors"], [INDEX, *SHARDS]),  # both: a loader takes the single one
        ([OLD_INDEX, *OLD_SHARDS], ["consolidated.00.pth"]),
        (["pytorch_model.bin"], []),
        (["weights.safetensors"], ["pytorch_model.bin"]),
    ],
)
def test_one_set_of_weights_and_all_texts(weights: list[str], left: list[str]) -> None:
    texts = ["config.json", "merges.txt", "ice_text.model", "chat_template.jinja", *TOKENIZER]
    assert sorted(choose([*NEVER, *left, *weights, *texts])) == sorted([*texts, *weights])


def test_meta_s_own_files() -> None:
    files = ["consolidated.00.pth", "consolidated.01.pth", "params.json", "tokenizer.model"]
    assert list(choose([*files, "checklist.chk", "example.py"])) == files
    assert to_convert(files)


def test_files_that_were_xored() -> None:
    files = ["config.json.7d9d.enc", "pytorch_model.bin.1f71.enc", "tokenizer.model.9e55.enc"]
    assert list(choose([*files, "README.md", "decrypt.py"])) == files
    assert to_convert(files)


@pytest.mark.parametrize("names", [[], ["config.json", "README.md"], [INDEX], ["model.onnx", "config.json"], SHARDS])
def test_nothing_to_use(names: list[str]) -> None:
    if names == [INDEX]:
        assert choose(names) == (INDEX,)  # what it names is missing: found out before it is shown
        return
    with pytest.raises(InvalidImport, match="no weights that Parley can use"):
        choose(names)


def test_an_adapter_is_told_apart() -> None:
    with pytest.raises(InvalidImport, match=r"an adapter.*parley models import"):
        choose(["adapter_config.json", "adapter_model.safetensors"])


@pytest.mark.parametrize(
    ("names", "needed"),
    [(["model.safetensors", "config.json"], False), ([INDEX, *SHARDS], False), (OLD_SHARDS, True), (["a.gguf"], False)],
)
def test_what_must_be_imported(names: list[str], needed: bool) -> None:
    assert to_convert(names) is needed


@pytest.mark.parametrize("name", ["../x", "a/../x", "/x", "a\\b", "x\n", "a//b", "./x", "..", "a/.."])
def test_hostile_names(name: str) -> None:
    with pytest.raises(InvalidImport, match="points outside its folder"):
        check_names(["config.json", name])


def test_honest_names() -> None:
    check_names(["a..b.json", ".gitattributes", "UD-Q4/模型.gguf", "a:b", "x y.txt"])
