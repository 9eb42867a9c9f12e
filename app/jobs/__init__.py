"""Jobs: work that takes long, run in processes of its own while the server goes on. See docs/architecture.md."""
