"""The files of models: reading their headers, fetching, importing and converting them. Knows no manifests."""
