"""BLOOM as a transformers model with a configurable attention function.

A pre-norm decoder: layer norms with biases, one of them after the embedding, multi-head attention with ALiBi instead of
position embeddings, a GELU MLP, and a head tied to the embedding. Module names are those of the published checkpoints.

Shapes: b rows, n new tokens, kv keys (cached and new), H hidden size, V vocabulary. What it does not know: prompts,
sampling, and how the cache it is given stores its keys.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import BloomConfig, Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from app.families.bloom.alibi import bias_parts
from app.families.bloom.layers import Layer


class BloomPreTrainedModel(PreTrainedModel):
    """Base class of the three models."""

    config_class = BloomConfig
    config: BloomConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Layer"]  # noqa: RUF012
    _skip_keys_device_placement = ["cache", "past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_attention_backend = True


class BloomModel(BloomPreTrainedModel):
    """From token ids to the last hidden states, without a head."""

    def __init__(self, config: BloomConfig) -> None:
        """Raises :class:`ValueError` for heads that do not divide the hidden size."""
        super().__init__(config)
        if config.hidden_size % config.n_head:
            raise ValueError(f"{config.hidden_size} hidden values can't be divided between {config.n_head} heads.")
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.word_embeddings_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)
        self.h = nn.ModuleList(Layer(config, index) for index in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The table of word embeddings, [V, H]."""
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the table of word embeddings."""
        self.word_embeddings = value

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """The hidden states of `input_ids` (or of `inputs_embeds`), ``last_hidden_state`` [b, n, H].

        `attention_mask` is 1 = real token [b, kv], or one of four dimensions that the attention function takes. Only
        differences of `position_ids` [b, n] matter: counted from the cache's beginning when they are not given,
        padding too. `cache` and `past_key_values` are two names of one thing: transformers renamed it in the middle of
        its fifth generation.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds.")
        embeddings = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        cache = past_key_values if cache is None else cache
        if use_cache is None:
            use_cache = self.config.use_cache
        if use_cache and cache is None and not (self.gradient_checkpointing and self.training):
            cache = DynamicCache(config=self.config)

        if position_ids is None:
            past = 0 if cache is None else int(cache.get_seq_length())
            position_ids = torch.arange(past, past + embeddings.shape[1], device=embeddings.device)[None]
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=embeddings,
            attention_mask=attention_mask,
            cache=cache,
            position_ids=position_ids,
        )
        hidden = self.word_embeddings_layernorm(embeddings)
        bias = bias_parts(position_ids.expand(len(hidden), -1), self.config.n_head, hidden.dtype)

        states = []
        for layer in self.h:
            if output_hidden_states:
                states.append(hidden)
            hidden = layer(hidden, mask=mask, bias=bias, cache=cache, **kwargs)
        hidden = self.ln_f(hidden)
        output = BaseModelOutputWithPast(
            last_hidden_state=hidden,
            cache=cache if use_cache else None,
            hidden_states=(*states, hidden) if output_hidden_states else None,
        )
        return output.to_tuple() if return_dict is False else output


class BloomForCausalLM(BloomPreTrainedModel, GenerationMixin):
    """The model with its output head."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "transformer.word_embeddings.weight"}

    def __init__(self, config: BloomConfig) -> None:
        super().__init__(config)
        self.transformer = BloomModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The output head, [V, H]."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace the output head."""
        self.lm_head = new_embeddings

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """As the base model's, and ``logits`` [b, n, V].

        `logits_to_keep` asks for those of the last k tokens, or of the tokens at these places only; 0 means all.
        `labels` [b, n] are the token ids themselves (-100: not counted); the shift by one happens in the loss.
        """
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, keep])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, cache=outputs.cache, hidden_states=outputs.hidden_states
        )
        return output.to_tuple() if return_dict is False else output


class BloomForSequenceClassification(GenericForSequenceClassification, BloomPreTrainedModel):
    """The model with a linear score of the last real token: a reward model or a classifier."""

    # `GenericForSequenceClassification` would call it "model".
    base_model_prefix = "transformer"
