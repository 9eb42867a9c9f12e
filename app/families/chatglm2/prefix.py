"""P-tuning v2: trained keys and values before those of the prompt."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from app.families.chatglm2.configuration import ChatGLM2Config

KeyValue = tuple[torch.Tensor, torch.Tensor]


class PrefixEncoder(nn.Module):
    """A prefix of `length` keys and values for each layer, never rotated."""

    def __init__(self, config: ChatGLM2Config, length: int, *, projection: bool) -> None:
        super().__init__()
        self.length = length
        self.shape = (length, config.num_layers, 2, config.multi_query_group_num, config.kv_channels)
        width = config.num_layers * 2 * config.multi_query_group_num * config.kv_channels
        self.embedding = nn.Embedding(length, width)
        if projection:
            hidden = config.hidden_size
            self.trans = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))
        self.projects = projection

    def forward(self) -> list[KeyValue]:
        """Keys and values of each layer, [G, length, d]."""
        weight = self.embedding.weight
        prefix: torch.Tensor = (self.trans(weight) if self.projects else weight).view(self.shape)
        # [length, layers, 2, groups, d] -> [layers, 2, groups, length, d]
        return [(key, value) for key, value in prefix.permute(1, 2, 3, 0, 4)]


def read_prefix(config: ChatGLM2Config, weights: Mapping[str, torch.Tensor]) -> PrefixEncoder:
    """Load an encoder from `weights` that were saved separately (names without the module's path).

    Raises :class:`KeyError` and :class:`RuntimeError` for weights that are not a prefix for this model.
    """
    projection = any(name.startswith("trans.") for name in weights)
    encoder = PrefixEncoder(config, weights["embedding.weight"].shape[0], projection=projection)
    encoder.load_state_dict(dict(weights))
    return encoder
