"""The configuration of the first ChatGLM-6B, under the keys that its published checkpoints use.

ChatGLM2 and ChatGLM3 have the model type ``chatglm`` too, so transformers uses this class for all three; it
forwards the later ones to :class:`~app.families.chatglm2.configuration.ChatGLM2Config`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedConfig

from app.families.chatglm2.configuration import ChatGLM2Config

_LATER_GENERATIONS = ("ffn_hidden_size", "padded_vocab_size")  # keys that only ChatGLM2 and ChatGLM3 have
_IMAGE_TOKENS = 20_000  # ids reserved for images before the text, in the oldest checkpoints
_OLD_VOCABULARY = 150_528
_SPECIAL_IDS = {
    "mask_token_id": 130_000,
    "gmask_token_id": 130_001,
    "bos_token_id": 130_004,
    "eos_token_id": 130_005,
    "pad_token_id": 3,
}


class ChatGLMConfig(PreTrainedConfig):
    """Defaults are ChatGLM-6B's.

    Special token ids missing in a file depend on its vocabulary: the first published checkpoints (150528 pieces)
    have 20000 ids for images before the text, which shift all other ids.

    ``quantization_bit``: 4 or 8 for a quantized checkpoint, 0 for none; with ``quantization_embeddings`` the embedding
    and the head are quantized too. ``pre_seq_len``: keys of a P-tuning v2 prefix, 0 for none.
    """

    model_type = "chatglm"
    # Checkpoints name their own code here, which is never run; trainers expect a mapping.
    auto_map: ClassVar[dict[str, str]] = {}
    attribute_map: ClassVar[dict[str, str]] = {
        "num_hidden_layers": "num_layers",
        "intermediate_size": "inner_hidden_size",
        "layer_norm_eps": "layernorm_epsilon",
        "max_position_embeddings": "max_sequence_length",
    }
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["cache", "past_key_values"]

    vocab_size: int = 130_528
    hidden_size: int = 4096
    inner_hidden_size: int = 16_384
    num_layers: int = 28
    num_attention_heads: int = 32
    layernorm_epsilon: float = 1e-5
    max_sequence_length: int = 2048
    position_encoding_2d: bool = True
    pre_seq_len: int | None = None
    prefix_projection: bool = False
    quantization_bit: int | None = 0
    quantization_embeddings: bool = False
    mask_token_id: int | None = None
    gmask_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None
    tie_word_embeddings: bool = True
    use_cache: bool = True
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        """Set defaults of missing keys. Raises :class:`ValueError` for invalid values."""
        offset = _IMAGE_TOKENS if self.vocab_size == _OLD_VOCABULARY else 0
        for name, default in _SPECIAL_IDS.items():
            if getattr(self, name) is None:
                setattr(self, name, default + offset)
        self.pre_seq_len = self.pre_seq_len or 0
        self.quantization_bit = self.quantization_bit or 0
        if self.quantization_bit not in (0, 4, 8):
            raise ValueError(f"quantization_bit is {self.quantization_bit}; ChatGLM checkpoints have 0, 4 or 8.")
        if self.hidden_size % (4 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is not divisible by 4 * num_attention_heads "
                f"({self.num_attention_heads}): each head has two rotary halves of pairs."
            )
        super().__post_init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """A configuration of the class that the keys require: this one, or ChatGLM2's for later generations."""
        if cls is ChatGLMConfig and any(key in config_dict for key in _LATER_GENERATIONS):
            return ChatGLM2Config.from_dict(config_dict, **kwargs)
        return super().from_dict({key: value for key, value in config_dict.items() if key != "auto_map"}, **kwargs)
