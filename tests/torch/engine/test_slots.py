"""Keys and values in slots, and what attention sees of them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from torch.nn import functional  # noqa: E402

from app.engine.torch import slots as slots_module  # noqa: E402
from app.engine.torch.slots import DecodePass, PrefillPass, SlotCache  # noqa: E402

SLOTS, CAPACITY, D = 5, 64, 8
CPU = torch.device("cpu")


def cache(dtype: Any = torch.float32) -> SlotCache:
    return SlotCache(SLOTS, CAPACITY, dtype, CPU)


def states(*shape: int, dtype: Any = torch.float32) -> tuple[Any, Any]:
    return torch.randn(*shape, dtype=dtype), torch.randn(*shape, dtype=dtype)


def read(into: SlotCache, slot: int, start: int, keys: Any, values: Any, query: Any, **options: Any) -> Any:
    """One layer of one reading pass; the attention's result [n, heads, d]."""
    with into.during(PrefillPass(slot, start, keys.shape[2])):
        stores = into.update(keys, values, 0)
        return into._attend(None, query, *stores, options.pop("mask", None), **options)[0][0]


def expected(query: Any, keys: Any, values: Any, window: int | None = None) -> Any:
    """Attention of the last tokens of one sequence: [1, heads, n, d] over [1, kv_heads, all, d] → [n, heads, d]."""
    n, total = query.shape[2], keys.shape[2]
    place = torch.arange(total)
    mine = place[total - n :, None]
    visible = (place <= mine) if window is None else (place <= mine) & (place > mine - window)
    groups = query.shape[1] // keys.shape[1]
    keys, values = (tensor.repeat_interleave(groups, 1) for tensor in (keys, values))
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=visible)[0].transpose(0, 1)


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2), (4, 1)])
def test_a_sequence_read_in_pieces_is_attended_whole(heads: int, kv_heads: int, window: int | None) -> None:
    held = cache()
    keys, values = states(1, kv_heads, 30, D)
    query = torch.randn(1, heads, 30, D)
    pieces = [
        read(held, 3, a, keys[:, :, a:b], values[:, :, a:b], query[:, :, a:b], sliding_window=window)
        for a, b in ((0, 12), (12, 13), (13, 30))
    ]
    torch.testing.assert_close(torch.cat(pieces), expected(query, keys, values, window), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("call_cost", [0, 1 << 30], ids=["apart", "together"])
@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("chosen", [[0, 1, 2, 3, 4], [1, 2], [0, 2, 4], [3]])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)])
def test_one_token_for_each_sees_its_own_slot_only(
    monkeypatch: pytest.MonkeyPatch, call_cost: int, window: int | None, chosen: list[int], heads: int, kv_heads: int
) -> None:
    monkeypatch.setattr(slots_module, "_CALL_COST", call_cost)
    held = cache()
    lengths = {0: 5, 1: 63, 2: 1, 3: 20, 4: 33}
    past = {slot: states(1, kv_heads, n, D) for slot, n in lengths.items()}
    for slot, (keys, values) in past.items():
        read(held, slot, 0, keys, values, torch.randn(1, heads, lengths[slot], D))
    keys, values = states(len(chosen), kv_heads, 1, D)
    query = torch.randn(len(chosen), heads, 1, D)
    with held.during(DecodePass(chosen, [lengths[slot] for slot in chosen], CPU)):
        stores = held.update(keys, values, 0)
        out, _ = held._attend(None, query, *stores, None, sliding_window=window)
    assert out.shape == (len(chosen), 1, heads, D)
    for row, slot in enumerate(chosen):
        whole = [torch.cat((old, new[row : row + 1]), 2) for old, new in zip(past[slot], (keys, values), strict=True)]
        torch.testing.assert_close(out[row], expected(query[row : row + 1], *whole, window), atol=1e-5, rtol=1e-4)


def test_bfloat16_is_as_exact_as_its_rounding() -> None:
    held = cache(torch.bfloat16)
    keys, values = states(1, 2, 40, D, dtype=torch.bfloat16)
    read(held, 0, 0, keys, values, torch.randn(1, 4, 40, D, dtype=torch.bfloat16))
    new = states(1, 2, 1, D, dtype=torch.bfloat16)
    query = torch.randn(1, 4, 1, D, dtype=torch.bfloat16)
    with held.during(DecodePass([0], [40], CPU)):
        stores = held.update(*new, 0)
        out, _ = held._attend(None, query, *stores, None)
    whole = [torch.cat((old, one), 2).float() for old, one in zip((keys, values), new, strict=True)]
    torch.testing.assert_close(out[0].float(), expected(query.float(), *whole), atol=0.03, rtol=0.03)


def test_a_mask_of_the_model_decides() -> None:
    held = cache()
    keys, values = states(1, 2, 6, D)
    query = torch.randn(1, 2, 6, D)
    both_ways = torch.ones(1, 1, 6, 6, dtype=torch.bool)
    both_ways[..., :4, 4:] = False
    out = read(held, 0, 0, keys, values, query, mask=both_ways)
    wanted = functional.scaled_dot_product_attention(query, keys, values, attn_mask=both_ways)[0].transpose(0, 1)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-4)


def test_a_prefix_is_seen_by_all() -> None:
    held = cache()
    prefix_keys, prefix_values = states(2, 4, D)
    held.put_prefix(1, [(prefix_keys, prefix_values)])
    keys, values = states(1, 2, 5, D)
    query = torch.randn(1, 2, 5, D)
    out = read(held, 1, 4, keys, values, query)
    whole = [torch.cat((p[None], new), 2) for p, new in ((prefix_keys, keys), (prefix_values, values))]
    torch.testing.assert_close(out, expected(query, *whole), atol=1e-5, rtol=1e-4)


def test_copies_and_clears_are_of_one_slot() -> None:
    held = cache()
    keys, values = states(1, 2, 10, D)
    read(held, 0, 0, keys, values, torch.randn(1, 2, 10, D))
    held.copy(0, 2, 7)
    stores = held._all()
    assert all(torch.equal(store[2, :, :7], store[0, :, :7]) and not store[2, :, 7:].any() for store in stores)
    held.clear(0, 10)
    assert all(not store[0].any() and store[2].any() for store in stores)


def test_what_this_attention_does_not_know_is_refused() -> None:
    held = cache()
    keys, values = states(1, 2, 3, D)
    with pytest.raises(ValueError, match="softcap"):
        read(held, 0, 0, keys, values, torch.randn(1, 2, 3, D), softcap=30.0)
    with pytest.raises(RuntimeError, match="outside a pass"):
        held.update(keys, values, 0)


def test_memory_is_committed_as_it_is_used() -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    held = SlotCache(8, 32_768, torch.float32, CPU)  # 8 x 4 x 32,768 x 64 x 4 bytes x 2: 512 MiB
    before = process.memory_info().rss
    keys, values = states(1, 4, 3, 64)
    read(held, 7, 0, keys, values, torch.randn(1, 4, 3, 64))
    assert process.memory_info().rss - before < 64 << 20
