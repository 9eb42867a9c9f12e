"""ChatGLM's positions and attention mask, both determined by the token ids.

A row is *context*, then an answer that begins with the first bos. The context contains [gMASK] (or [MASK]), which the
answer fills in. All tokens attend to the whole context; those of the answer also to the answer up to themselves.

Positions have two rows. With 2D encoding the first is the place in the context, 0, 1, 2, …, which throughout the answer
stays that of the mask token; the second counts the answer's tokens from 1 on and is 0 in the context. With 1D encoding
only the first rotates anything; the second is the position that later tokens will have.

The original disagrees with itself in 1D with [gMASK]: its full forward counts on through the answer, while its cached
generation gives each new token the position of [gMASK]. Here it is always the latter, so that training and generation
agree. With [MASK] the answer has the mask's position from bos on, in both.

Rows without a bos are all context. Rows without a mask token continue from their last context token. Mask tokens in the
answer mean nothing. [gMASK] goes before [MASK], padded or not (the original's padding prefers [MASK]).
"""

from __future__ import annotations

import torch
from torch import Tensor

from app.families.chatglm.configuration import ChatGLMConfig


def token_positions(input_ids: Tensor, real: Tensor | None, config: ChatGLMConfig) -> Tensor:
    """``input_ids`` [b, n], ``real`` bool [b, n] (False on padding, None: all real) → positions [b, 2, n].

    They start at each row's first real token and are 0 on padding.
    """
    real = torch.ones_like(input_ids, dtype=torch.bool) if real is None else real
    end = context_lengths(input_ids, real, config)
    place = torch.arange(input_ids.shape[1], device=input_ids.device)
    answer = place >= end  # [b, n]: from bos on
    order = (real.cumsum(-1) - 1).clamp_(min=0)  # [b, n]: index among the real tokens
    masks = _mask_places(input_ids, end, config)
    anchor = order.gather(1, masks)  # [b, 1]
    if config.position_encoding_2d:
        first = torch.where(answer, anchor, order)
        start = order.gather(1, end.clamp(max=input_ids.shape[1] - 1))
        second = torch.where(answer, order - start + 1, 0)
    else:
        counted = input_ids.gather(1, masks) == config.gmask_token_id  # bos keeps its own place
        first = torch.where(answer & ~(counted & (place == end)), anchor, order)
        second = torch.where(answer, anchor, order + 1)
    return torch.stack((first, second), dim=1) * real[:, None]


def next_positions(positions: Tensor, two_dimensional: bool) -> Tensor:
    """[…, 2, n] → [..., 2, 1]: the position of the token generated after these."""
    last = positions[..., -1:]
    if two_dimensional:
        return last + torch.tensor([[0], [1]], device=last.device)
    return last[..., 1:, :].expand_as(last)


def visible(input_ids: Tensor, real: Tensor | None, config: ChatGLMConfig) -> Tensor:
    """The attention mask, bool [b, 1, n, n]: whether a query (row) attends to a key (column).

    No token attends to padding. Padding itself attends to everything, since an empty row would give NaN.
    """
    end = context_lengths(input_ids, real, config)
    place = torch.arange(input_ids.shape[1], device=input_ids.device)
    seen = (place <= place[:, None]) | (place < end)[:, None, :]  # [b, n, n]
    if real is not None:
        seen = (seen & real[:, None, :]) | ~real[:, :, None]
    return seen[:, None]


def context_lengths(input_ids: Tensor, real: Tensor | None, config: ChatGLMConfig) -> Tensor:
    """The number of tokens before the first bos, [b, 1]; all where there is none."""
    is_bos = input_ids == config.bos_token_id
    if real is not None:
        is_bos = is_bos & real
    length = input_ids.shape[1]
    return torch.where(is_bos.any(-1), is_bos.int().argmax(-1), length)[:, None]


def _mask_places(input_ids: Tensor, end: Tensor, config: ChatGLMConfig) -> Tensor:
    """The index of the mask token that the answer fills in, [b, 1]."""
    context = torch.arange(input_ids.shape[1], device=input_ids.device) < end
    place = (end - 1).clamp(min=0)
    for token in (config.mask_token_id, config.gmask_token_id):  # the later one takes precedence
        found = (input_ids == token) & context
        place = torch.where(found.any(-1, keepdim=True), found.int().argmax(-1, keepdim=True), place)
    return place
