"""Memory estimates for llama.cpp (``xllamacpp``), from a GGUF header or a model's dimensions.

Measured on a CPU, in MiB resident:

=================  =============  =============  =============
                   SmolLM2-135M   SmolLM2-135M   LLaMA-7B
                   Q4_1           Q4_1           q4_0
                   1 × 2,048      4 × 4,096      1 × 512        slots × context tokens
=================  =============  =============  =============
weights                       94             94          3,679  read into memory, whether or not they are repacked
KV cache                      45            360            256  as computed from the header, to the byte
compute buffer                 8              9             55  formula below
rest of the process           72             72             72  Python, libraries, vocabulary, logits
estimated                    219            535          4,062
measured                     216            525          4,031  without the prompt cache, which comes on top
=================  =============  =============  =============

The compute buffer holds the activations of one batch of LLAMA_CPP_BATCH_TOKENS (three feed-forward and five hidden
rows, in float32) and the attention mask (half precision). Other architectures have wider graphs, so twice that is
counted.
"""

from __future__ import annotations

from app.domain.prefill import LLAMA_CPP_BATCH_TOKENS
from app.models.memory.estimate import MIB, MemoryEstimate, slots_for
from app.weights.formats.gguf import GGUFHeader

_PROCESS_BYTES = 72 * MIB


def estimate_from_header(
    header: GGUFHeader, weights_bytes: int, *, context_tokens: int, slots: int = 0
) -> MemoryEstimate:
    """The estimate for a GGUF file; the context is limited to the model's, `slots` 0 follows :func:`slots_for`."""
    return estimate_llama_cpp(
        weights_bytes,
        header.kv_bytes_per_token,
        header.embedding,
        header.feed_forward,
        context_tokens=min(context_tokens, header.context_tokens or context_tokens),
        slots=slots,
    )


def estimate_llama_cpp(
    weights_bytes: int,
    kv_bytes_per_token: int,
    embedding: int,
    feed_forward: int,
    *,
    context_tokens: int,
    slots: int = 0,
) -> MemoryEstimate:
    """The estimate from the size of the weights and the widths `embedding` and `feed_forward`, in values."""
    row_bytes = 4 * (3 * feed_forward + 5 * embedding) + 2 * context_tokens
    return MemoryEstimate(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        context_tokens=context_tokens,
        slots=slots_for(context_tokens, kv_bytes_per_token, slots),
        compute_bytes=2 * LLAMA_CPP_BATCH_TOKENS * row_bytes,
        process_bytes=_PROCESS_BYTES,
    )


def estimate_from_size(
    weights_bytes: int, kv_bytes_per_token: int, *, context_tokens: int, slots: int = 0
) -> MemoryEstimate:
    """The estimate before there is a header to read, from size and KV cache; the compute buffer is a guess."""
    return MemoryEstimate(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        context_tokens=context_tokens,
        slots=slots_for(context_tokens, kv_bytes_per_token, slots),
        compute_bytes=max(8 * MIB, weights_bytes // 64),
        process_bytes=_PROCESS_BYTES,
    )
