"""From a Hugging Face folder to GGUF, the format of llama.cpp: its numbers, its names, its vocabulary."""
