"""The HTTP API: routes, schemas, event streams and error responses. Beside app.main, only this package uses FastAPI."""
