"""Conversion of Hugging Face folders to GGUF, the format of llama.cpp."""
