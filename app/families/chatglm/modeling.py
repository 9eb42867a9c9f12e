"""The first ChatGLM-6B (GLM architecture, 2023) for transformers 5, with the tensor names of its checkpoints.

Its special features: residuals of the *normalised* input times a constant (:mod:`.layers`), two-dimensional rotary
positions with frequencies rounded to half precision, and bidirectional attention in the context (:mod:`.positions`).

Text is handled in :mod:`.tokenization`; quantized checkpoints use another module for linear layers.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, GenerationMixin, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from app.families.chatglm import positions as places
from app.families.chatglm.configuration import ChatGLMConfig
from app.families.chatglm.layers import (
    ChatGLMAttention,
    ChatGLMBlock,
    ChatGLMPrefixEncoder,
    KeyValue,
    read_prefix,
)
from app.families.glm.quantization import QuantizedLinear, embedding, linear

_ROTARY_BASE = 10_000.0


class ChatGLMPreTrainedModel(PreTrainedModel):
    """Base class of the models with and without heads."""

    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _input_embed_layer = "word_embeddings"
    _no_split_modules: ClassVar[list[str]] = ["ChatGLMBlock"]
    _skip_keys_device_placement: ClassVar[list[str]] = ["cache", "past_key_values"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_record_outputs: ClassVar[dict[str, type]] = {"hidden_states": ChatGLMBlock, "attentions": ChatGLMAttention}
    # Frequencies are computed, and a tied quantized head is not loaded.
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [r"rotary_emb\.inv_freq$", r"^lm_head\.weight(_scale)?$"]


class ChatGLMModel(ChatGLMPreTrainedModel):
    """The model without a head: ids → hidden states after the last norm."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        bits = config.quantization_bit if config.quantization_embeddings else 0
        self.word_embeddings = embedding(config.vocab_size, config.hidden_size, bits or 0)
        self.layers = nn.ModuleList(ChatGLMBlock(config, index) for index in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.prefix_encoder = None
        if config.pre_seq_len:
            projection = bool(config.prefix_projection)
            self.prefix_encoder = ChatGLMPrefixEncoder(config, config.pre_seq_len, projection=projection)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,  # [b, n]
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        past_key_values: Cache | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """``last_hidden_state`` [b, n, hidden].

        ``attention_mask``: [b, n] with 1 for real tokens and 0 for padding on either side (with a filled cache: [b, all
        tokens so far]), or bool [b, 1, n, kv] with True for what is seen. ``positions``: [b, 2, n] as
        :func:`~app.families.chatglm.positions.token_positions` makes them ([b, n] will do in 1D); left out, they follow
        from the ids. ``cache``, also named ``past_key_values``: the KV cache, to which this is added.

        Raises :class:`ValueError` for positions that would have to be guessed.
        """
        if kwargs.get("position_ids") is not None:
            raise ValueError("ChatGLM's positions have two rows: leave out position_ids, or give positions.")
        cache = past_key_values if cache is None else cache
        if cache is None and use_cache:
            cache = DynamicCache(config=self.config)
        hidden, mask, rotary, prefixes = self.prepare(input_ids, attention_mask, positions, cache, inputs_embeds)
        for layer, prefix in zip(self.layers, prefixes, strict=True):
            hidden = layer(hidden, attention_mask=mask, rotary=rotary, cache=cache, prefix=prefix)
        return BaseModelOutputWithPast(last_hidden_state=self.final_layernorm(hidden), cache=cache)

    def prepare(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        positions: Tensor | None,
        cache: Cache | None,
        inputs_embeds: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor], list[KeyValue | None]]:
        """The inputs of the layers: embeddings, attention mask, cosines and sines, and each layer's prefix."""
        past = cache.get_seq_length() if cache is not None else 0
        if positions is None:
            if input_ids is None or past:
                raise ValueError("ChatGLM takes positions from a whole sequence of ids; for anything else give them.")
            real = attention_mask.bool() if attention_mask is not None and attention_mask.dim() == 2 else None
            positions = places.token_positions(input_ids, real, self.config)
        hidden = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        mask = self._mask(input_ids, attention_mask, hidden.shape[:2], past)
        prefixes: list[KeyValue | None] = [None] * len(self.layers)
        if self.prefix_encoder is not None and not past:
            prefixes = [_to_batch(layer, len(hidden), hidden.dtype) for layer in self.prefix_encoder()]
            mask = functional.pad(mask, (self.prefix_encoder.length, 0), value=True) if mask is not None else None
        return hidden, mask, self._rotary(positions, hidden.dtype), prefixes

    def _mask(self, ids: Tensor | None, mask: Tensor | None, shape: torch.Size, past: int) -> Tensor | None:
        """The attention mask, bool [b, 1, n, kv], without a prefix; ``None`` where everything is visible."""
        if mask is not None and mask.dim() == 4:
            return mask
        real = mask.bool() if mask is not None else None
        if not past:
            if ids is None:
                raise ValueError("ChatGLM's mask follows from ids; with inputs_embeds give one of [b, 1, n, kv].")
            return places.visible(ids, real, self.config)
        length = shape[1]
        if real is None and length == 1:
            return None
        prefix = self.prefix_encoder.length if self.prefix_encoder is not None else 0
        device = self.final_layernorm.weight.device
        seen = torch.ones(length, past + length, dtype=torch.bool, device=device).tril_(past)[None, None]
        return seen & functional.pad(real, (prefix, 0), value=True)[:, None, None] if real is not None else seen

    def _rotary(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines [b, n, 1, 1, d] of ``positions`` [b, 2, n], or [b, n] in 1D."""
        two = self.config.position_encoding_2d
        positions = positions if two else (positions if positions.dim() == 2 else positions[:, 0])[:, None]
        size = self.config.hidden_size // self.config.num_attention_heads // (2 if two else 1)  # of a rotated part
        exponents = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
        frequencies = (1.0 / _ROTARY_BASE**exponents).half().float()  # as in training
        angles = positions.transpose(1, 2)[..., None].float() * frequencies  # [b, n, parts, size / 2]
        cos, sin = angles.cos(), angles.sin()
        cos, sin = torch.stack((cos, cos), 3), torch.stack((-sin, sin), 3)  # pairs are (i, i + size / 2)
        shape = (*cos.shape[:2], 1, 1, -1)
        return cos.to(dtype).view(shape), sin.to(dtype).view(shape)


class ChatGLMForCausalLM(ChatGLMPreTrainedModel, GenerationMixin):
    """The model with its language-model head: logits, loss, generation, and the methods for the engine's slots."""

    positions_argument: ClassVar[str] = "positions"
    _tied_weights_keys: Mapping[str, str] = {"lm_head.weight": "transformer.word_embeddings.weight"}

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        bits = config.quantization_bit if config.quantization_embeddings else 0
        self.lm_head = linear(config.hidden_size, config.vocab_size, bits or 0, bias=False)
        if isinstance(self.lm_head, QuantizedLinear):
            self._tied_weights_keys = {}  # the library ties parameters; these are buffers, see tie_weights
            if config.tie_word_embeddings:
                self.lm_head.forget_on_saving()
        self.post_init()

    def tie_weights(self, missing_keys: set[str] | None = None, recompute_mapping: bool = True) -> None:
        """As usual, except that with a tied head the embedding takes precedence over a head in the file."""
        if self.config.tie_word_embeddings and missing_keys is not None:
            # The library ties what it considers missing without comparing.
            missing_keys |= {head for head, source in self._tied_weights_keys.items() if source not in missing_keys}
        super().tie_weights(missing_keys=missing_keys, recompute_mapping=recompute_mapping)
        if self.config.tie_word_embeddings and isinstance(self.lm_head, QuantizedLinear):
            embedded = self.transformer.word_embeddings
            self.lm_head.weight, self.lm_head.weight_scale = embedded.weight, embedded.weight_scale

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        past_key_values: Cache | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [b, kept, vocabulary], and the loss for ``labels`` [b, n] (-100: none), which are shifted here.

        ``logits_to_keep``: the last so many (0: all), or their places. The rest is :meth:`ChatGLMModel.forward`'s.
        """
        outputs = self.transformer(
            input_ids,
            attention_mask=attention_mask,
            positions=positions,
            cache=past_key_values if cache is None else cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        if isinstance(logits_to_keep, Tensor):
            hidden = hidden[:, logits_to_keep]
        elif logits_to_keep:
            hidden = hidden[:, -logits_to_keep:]
        logits = self.lm_head(hidden)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def prompt_positions(self, input_ids: Tensor) -> Tensor:
        """Ids [n] of one prompt → positions [2, n]."""
        return places.token_positions(input_ids[None], None, self.config)[0]

    def prompt_mask(self, input_ids: Tensor) -> Tensor:
        """Ids [n] of one prompt → bool [n, n], True where the query (row) sees the key (column)."""
        return places.visible(input_ids[None], None, self.config)[0, 0]

    def next_positions(self, positions: Tensor) -> Tensor:
        """[2, n] → [2, 1], those of the token generated after these."""
        return places.next_positions(positions, self.config.position_encoding_2d)

    @torch.no_grad()
    def prefix_key_values(self, weights: Mapping[str, Tensor] | None) -> list[KeyValue]:
        """Keys and values [heads, P, d] for each layer, of a prefix encoder's `weights` or (``None``) the model's own.

        Raises :class:`KeyError` and :class:`RuntimeError` for weights that are not a prefix for this model.
        """
        encoder: Any = self.transformer.prefix_encoder if weights is None else read_prefix(self.config, weights)
        prefix: list[KeyValue] = encoder()
        return prefix

    def prefill_layers(
        self,
        input_ids: Tensor,  # [1, n]
        positions: Tensor | None = None,  # [1, 2, n]
        attention_mask: Tensor | None = None,  # bool [1, 1, n, kv]
        past_key_values: Cache | None = None,
    ) -> Generator[None, None, Tensor]:
        """Prefill as a generator that yields after each layer and returns the last token's logits [1, vocabulary].

        The caller can do other work between two layers, or stop; it must disable gradients.
        """
        model = self.transformer
        hidden, mask, rotary, prefixes = model.prepare(input_ids, attention_mask, positions, past_key_values)
        for layer, prefix in zip(model.layers, prefixes, strict=True):
            hidden = layer(hidden, mask, rotary, past_key_values, prefix)
            yield
        return self.lm_head(model.final_layernorm(hidden[:, -1]))

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Positions follow from all ids so far, or continue the ``positions`` [b, 2, prompt] given to ``generate``."""
        inputs = super().prepare_inputs_for_generation(
            input_ids, next_sequence_length=next_sequence_length, attention_mask=attention_mask, **kwargs
        )
        if positions is None:
            real = attention_mask.bool() if attention_mask is not None else None
            positions = places.token_positions(input_ids, real, self.config)
        while positions.shape[-1] < input_ids.shape[1]:
            following = places.next_positions(positions, self.config.position_encoding_2d)
            positions = torch.cat((positions, following), -1)
        inputs["positions"] = positions[..., -inputs["input_ids"].shape[1] :]
        return inputs

    def _get_logits_processor(self, *args: Any, **kwargs: Any) -> LogitsProcessorList:
        """The usual processors, after one that replaces invalid scores, so that sampling does not raise."""
        return LogitsProcessorList([InvalidScores(), *super()._get_logits_processor(*args, **kwargs)])


class InvalidScores(LogitsProcessor):
    """If any score of the batch is not finite, all weight goes to token 5, as in the original."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [b, vocabulary], before any filter."""
        if torch.isfinite(scores).all():
            return scores
        guarded = torch.zeros_like(scores)
        guarded[..., 5] = 5e4
        return guarded


class ChatGLMForSequenceClassification(GenericForSequenceClassification, ChatGLMPreTrainedModel):
    """The model with a score for a whole text, as in reward models."""

    base_model_prefix = "transformer"


def _to_batch(layer: KeyValue, batch: int, dtype: torch.dtype) -> KeyValue:
    key, value = (part.to(dtype).expand(batch, *part.shape) for part in layer)
    return key, value
