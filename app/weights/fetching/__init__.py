"""Downloads of models, from hubs and from wheels."""
