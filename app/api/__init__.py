"""HTTP: routes, schemas, event streams, errors as statuses. The only package that knows FastAPI."""
