"""Export of conversations, one as Markdown or JSON or all as an archive, and import of files of Parley and others."""
