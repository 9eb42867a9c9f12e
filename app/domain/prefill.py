"""Prefill batch sizes: tokens of a prompt that each engine computes at once. Memory estimates use them too."""

# llama.cpp. While a batch is computed, all other replies and cancellations wait. Measured with a prompt of 2,000 tokens
# on 2 cores: they wait 8 s with llama.cpp's default of 2,048, 0.6 s with 128; prefill takes 3 % longer. A client that
# leaves is noticed after its batch, when the next one has begun: up to 1.0 s are computed for nobody. With 64 it is
# half of that, but prefill takes 8 % longer, with 32 a quarter and 70 %.
LLAMA_CPP_BATCH_TOKENS = 128

# PyTorch, for models with chunked prefill; larger chunks are hardly faster per token.
TORCH_CHUNK_TOKENS = 128
