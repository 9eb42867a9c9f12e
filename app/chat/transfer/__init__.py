"""Export of single conversations as Markdown and JSON, and import of JSON from Parley and other programs."""
