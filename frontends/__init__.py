"""Front ends: they speak HTTP to the API and import nothing of `app`."""
