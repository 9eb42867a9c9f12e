"""The tokenizers of Hugging Face folders, read for GGUF."""
