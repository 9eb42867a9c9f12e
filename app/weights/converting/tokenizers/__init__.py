"""Converts the tokenizers of Hugging Face folders to GGUF vocabularies."""
