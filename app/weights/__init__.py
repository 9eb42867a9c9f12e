"""Model files: formats, download, import and conversion. Independent of manifests."""
