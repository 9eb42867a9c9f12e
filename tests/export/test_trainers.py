"""TRL reads its formats with ``datasets.load_dataset("json")``, and its trainers train on them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from app.domain.splits import Shares
from app.export.base import find_formats
from app.feedback.datasets.build import build
from app.feedback.datasets.spec import DatasetSpec

from .rated import long_conversation, rated_conversation

NEEDED = ("datasets", "torch", "transformers", "trl", "tokenizers")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"the extra `train` is not installed: {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("default"),
]
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
STEPS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in all formats, all of it for training."""
    made = tmp_path_factory.mktemp("dataset")
    chats = [rated_conversation("C1"), long_conversation("C2"), long_conversation("C3", system_prompt="Be exact.")]
    spec = DatasetSpec("all", tuple(find_formats()), shares=Shares(0, 0))
    build(chats, 3, spec, made, lambda *_: None, lambda: None)
    return made


@pytest.fixture
def load(folder: Path, tmp_path: Path) -> Any:
    import datasets

    def loaded(name: str) -> Any:
        (path,) = folder.glob(f"{name}-train.*")
        return datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))

    return loaded


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Bytes as tokens, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: at for at, char in enumerate(["<pad>", "</s>", *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="</s>")
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def model(tokenizer: Any, tmp_path: Path) -> Any:
    """Makes a LLaMA of two layers with random weights, from a folder, which trainers load a second time."""
    import torch
    import transformers

    def made(kind: str = "LlamaForCausalLM") -> Any:
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=1,
        )
        folder = tmp_path / "model"
        getattr(transformers, kind)(config).save_pretrained(folder)
        return getattr(transformers, kind).from_pretrained(folder)

    return made


def arguments(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path / "out"),
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "report_to": "none",
        "use_cpu": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        **more,
    }


def trained(trainer: Any) -> None:
    """Trains, and has losses that are numbers."""
    result = trainer.train()
    assert result.global_step == STEPS
    assert result.training_loss == result.training_loss


def test_every_file_is_read(folder: Path, load: Any) -> None:
    names = {path.name.partition("-train")[0] for path in folder.glob("*-train.json*")}
    assert len(names) == len(find_formats()) - 1  # markdown is for people
    for name in names:
        assert load(name).num_rows > 0


def test_the_folder_is_read_as_a_hub_would(folder: Path, tmp_path: Path) -> None:
    import datasets

    loaded = datasets.load_dataset(str(folder), "trl_unpaired", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2}
    assert loaded["train"][0]["prompt"][-1] == {"role": "user", "content": "泡绿茶用多热的水？"}


def test_sft(load: Any, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    config, rows = SFTConfig(**arguments(tmp_path)), load("trl_sft")
    trained(SFTTrainer(model(), config, train_dataset=rows, processing_class=tokenizer))


def test_dpo(load: Any, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    config, rows = DPOConfig(**arguments(tmp_path)), load("trl_pairs")
    trained(DPOTrainer(model(), args=config, train_dataset=rows, processing_class=tokenizer))


def test_reward(load: Any, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    from trl import RewardConfig, RewardTrainer

    config, rows = RewardConfig(**arguments(tmp_path)), load("trl_pairs")
    judge = model("LlamaForSequenceClassification")
    trained(RewardTrainer(judge, args=config, train_dataset=rows, processing_class=tokenizer))


def test_kto(load: Any, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    config, rows = KTOConfig(**arguments(tmp_path)), load("trl_unpaired")
    trained(KTOTrainer(model(), args=config, train_dataset=rows, processing_class=tokenizer))


def by_length(prompts: Any, completions: Any, **_: Any) -> list[float]:
    """Rewards long completions."""
    return [float(len(completion[0]["content"])) for completion in completions]


@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_online(kind: str, load: Any, model: Any, tokenizer: Any, tmp_path: Path) -> None:
    import trl

    trainer = getattr(trl, f"{kind}Trainer")(
        model(),
        reward_funcs=by_length,
        args=getattr(trl, f"{kind}Config")(**arguments(tmp_path, num_generations=2, max_completion_length=4)),
        train_dataset=load("trl_prompts"),
        processing_class=tokenizer,
    )
    trained(trainer)
