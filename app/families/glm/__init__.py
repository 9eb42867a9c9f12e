"""What all generations of ChatGLM share: the quantized layout, and tokenizers that spell conversations."""
