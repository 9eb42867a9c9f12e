"""Single conversations in and out: Markdown and JSON out; JSON of Parley and of other programs in."""
