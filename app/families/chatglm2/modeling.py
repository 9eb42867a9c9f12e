"""ChatGLM2-6B and ChatGLM3-6B as transformers models: one architecture, two generations of training.

A plain pre-norm decoder: RMS norm, several query heads for each key and value head, SwiGLU, and rotary positions on
the first half of each head. Module names are those of the published checkpoints, which therefore load as they are.

Shapes: b rows, n new tokens, kv keys (cached and new), H hidden size, N query heads, G key and value groups,
d head size, V vocabulary. What it does not know: prompts, sampling, and how the cache it is given stores its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from app.families.chatglm2.attention import causal_mask, positions_of, rotary_table
from app.families.chatglm2.configuration import ChatGLM2Config
from app.families.chatglm2.layers import Layer, RMSNorm
from app.families.chatglm2.prefix import KeyValue, PrefixEncoder, read_prefix


class ChatGLM2PreTrainedModel(PreTrainedModel):
    """Base class of the three models."""

    config_class = ChatGLM2Config
    config: ChatGLM2Config
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Layer"]  # noqa: RUF012
    _skip_keys_device_placement = ["cache", "past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_attention_backend = True
    # A derived table, and the head when only the base model is loaded.
    _keys_to_ignore_on_load_unexpected = [r"rotary_pos_emb\.inv_freq", r"output_layer\.weight"]  # noqa: RUF012


class _Embedding(nn.Module):
    """Container for the embedding table, for the checkpoints' tensor names."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.padded_vocab_size, config.hidden_size)


class _Encoder(nn.Module):
    """Container for the layers and the last norm, for the checkpoints' tensor names."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))
        self.final_layernorm = RMSNorm(config.hidden_size, config.layernorm_epsilon)


class ChatGLM2Model(ChatGLM2PreTrainedModel):
    """From token ids to the last hidden states, without a head."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__(config)
        self.embedding = _Embedding(config)
        self.encoder = _Encoder(config)
        if config.pre_seq_len:
            self.prefix_encoder = PrefixEncoder(config, config.pre_seq_len, projection=config.prefix_projection)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The table of word embeddings, [V, H]."""
        return self.embedding.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the table of word embeddings."""
        self.embedding.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:
        """The hidden states of `input_ids` (or of `inputs_embeds`), ``last_hidden_state`` [b, n, H].

        `attention_mask` is 1 = real token [b, kv], or True = visible [b, 1, n, kv]; without one everything before a
        token is visible. `position_ids` [b, n] count from the first real token when they are not given. `cache` and
        `past_key_values` are two names of one thing: transformers renamed it in the middle of its fifth generation.
        ``hidden_states`` are the embeddings and what each layer gives, before the last norm.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds.")
        hidden = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        cache = past_key_values if cache is None else cache
        if use_cache is None:
            use_cache = self.config.use_cache
        if use_cache and cache is None and not (self.gradient_checkpointing and self.training):
            cache = DynamicCache(config=self.config)

        past = 0 if cache is None else int(cache.get_seq_length())
        prefix_length = self.config.pre_seq_len or 0
        # The first call puts the prefix before the prompt, and so into the cache: later calls find it there.
        prefix = self.prefix_encoder() if prefix_length and not past else None
        past = past or prefix_length
        if position_ids is None:
            position_ids = positions_of(hidden, attention_mask, past - prefix_length)
        mask = causal_mask(hidden, attention_mask, past, prefix_length)
        rotary = rotary_table(position_ids, self.config.kv_channels, hidden.dtype)

        states = [hidden]
        for index, layer in enumerate(self.encoder.layers):
            hidden = layer(
                hidden,
                mask=mask,
                rotary=rotary,
                cache=cache,
                prefix=None if prefix is None else prefix[index],
                **kwargs,
            )
            if output_hidden_states:
                states.append(hidden)
        output = BaseModelOutputWithPast(
            last_hidden_state=self.encoder.final_layernorm(hidden),
            cache=cache if use_cache else None,
            hidden_states=tuple(states) if output_hidden_states else None,
        )
        return output.to_tuple() if return_dict is False else output


class ChatGLM2ForCausalLM(ChatGLM2PreTrainedModel, GenerationMixin):
    """The model with its own output head, which is not tied to the word embeddings."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__(config)
        self.transformer = ChatGLM2Model(config)
        # Checkpoints keep the head inside the base model. Only this class puts it there, so that a reward model does
        # not carry half a gigabyte that it never uses.
        self.transformer.output_layer = nn.Linear(config.hidden_size, config.padded_vocab_size, bias=False)
        self.post_init()

    @property
    def lm_head(self) -> nn.Module:
        """The output head, by the name that trainers expect."""
        head: nn.Module = self.transformer.output_layer
        return head

    def get_output_embeddings(self) -> nn.Module:
        """The output head, [V, H]."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace the output head."""
        self.transformer.output_layer = new_embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
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
        hidden = outputs.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, keep])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.padded_vocab_size, **kwargs)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, cache=outputs.cache, hidden_states=outputs.hidden_states
        )
        return output.to_tuple() if return_dict is False else output

    @torch.no_grad()
    def prefix_key_values(self, weights: Mapping[str, torch.Tensor] | None) -> list[KeyValue]:
        """Keys and values [G, P, d] for each layer, of a prefix encoder's `weights` or (``None``) of the model's own.

        Raises :class:`KeyError` and :class:`RuntimeError` for weights that are not a prefix for this model.
        """
        encoder = self.transformer.prefix_encoder if weights is None else read_prefix(self.config, weights)
        prefix: list[KeyValue] = encoder()
        return prefix


class ChatGLM2ForSequenceClassification(GenericForSequenceClassification, ChatGLM2PreTrainedModel):
    """The model with a linear score of the last real token: a reward model or a classifier."""

    # `GenericForSequenceClassification` would call it "model".
    base_model_prefix = "transformer"
