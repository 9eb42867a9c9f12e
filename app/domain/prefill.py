"""How many tokens of a prompt each engine computes at once; the memory estimates count on it."""

# llama.cpp. While a batch is computed no other reply goes on, and nobody's leaving is noticed. Measured beside a prompt
# of 2,000 tokens (2 cores): 8 s with llama.cpp's own 2,048, 0.6 s with 128; a prompt takes 3 % longer.
LLAMA_CPP_BATCH_TOKENS = 128

# PyTorch, for models that read a prompt in chunks; a larger chunk is hardly faster per token.
TORCH_CHUNK_TOKENS = 128
