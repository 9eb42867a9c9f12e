"""The configuration of ChatGLM2-6B and ChatGLM3-6B, with the keys of the published ``config.json``."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedConfig

# Settings of which only the value in all published checkpoints is implemented. Another value is an error, since the
# results would be wrong.
_FIXED: dict[str, object] = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
    "original_rope": True,
    "fp32_residual_connection": False,
    "rope_ratio": 1,
}


class ChatGLM2Config(PreTrainedConfig):
    """Sizes and switches of a ChatGLM2 or ChatGLM3 model; the defaults are the published 6B ones.

    ``quantization_bit``: 4 or 8 for a checkpoint whose layers are quantized. ``pre_seq_len``: keys of a P-tuning v2
    prefix. 0 or ``None`` means none.

    Raises :class:`ValueError` for a setting that the model does not implement, and names it.
    """

    # The same model type as in the first generation; `ChatGLMConfig.from_dict` distinguishes them.
    model_type = "chatglm"
    attribute_map: ClassVar[dict[str, str]] = {
        "head_dim": "kv_channels",
        "intermediate_size": "ffn_hidden_size",
        "max_position_embeddings": "seq_length",
        "num_hidden_layers": "num_layers",
        "num_key_value_heads": "multi_query_group_num",
        "rms_norm_eps": "layernorm_epsilon",
        "vocab_size": "padded_vocab_size",
    }
    # The checkpoint's own code is never run. Trainers and `from_config` look into the attribute, which must be a dict.
    auto_map: ClassVar[dict[str, str]] = {}

    num_layers: int = 28
    padded_vocab_size: int = 65024
    hidden_size: int = 4096
    ffn_hidden_size: int = 13696
    kv_channels: int = 128
    num_attention_heads: int = 32
    multi_query_attention: bool = True
    multi_query_group_num: int = 2
    seq_length: int = 32768
    layernorm_epsilon: float = 1e-5
    add_qkv_bias: bool = True
    add_bias_linear: bool = False
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    initializer_range: float = 0.02
    quantization_bit: int | None = 0
    pre_seq_len: int | None = 0
    prefix_projection: bool = False
    use_cache: bool = True
    tie_word_embeddings: bool = False
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: Any) -> None:
        kwargs.pop("auto_map", None)
        for name, only in _FIXED.items():
            if kwargs.pop(name, only) != only:
                raise ValueError(f"ChatGLM2 and ChatGLM3 are implemented for {name} = {only!r} only.")
        if not self.multi_query_attention:
            self.multi_query_group_num = self.num_attention_heads
        if self.num_attention_heads % self.multi_query_group_num:
            raise ValueError(
                f"{self.num_attention_heads} attention heads can't share {self.multi_query_group_num} groups of keys."
            )
        self.quantization_bit = self.quantization_bit or 0
        self.pre_seq_len = self.pre_seq_len or 0
        super().__post_init__(**kwargs)
