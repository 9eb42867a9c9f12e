"""Reads files with chats, judgements and training data: Parley's own and those of other programs.

It runs in a process of its own.

    records.py text_stream.py      a file (JSON, JSON Lines, zip) → its records, one at a time
    formats.py                     a record → a conversation, by the program that wrote it
    programs/                      judgements and rows of training data, one module for each shape
    messages.py content.py         a message's author and text, whatever its program calls them
    reasoning.py values.py         its reasoning, date and model
    about.py                       title, system prompt and dates of a conversation
    dialogues.py judgements.py     what several modules of programs/ need: dialogues; ratings and rankings
    tree.py                        messages → a tree that can be stored
    datasets.py                    which conversations are rows of a dataset rather than a person's chats

What is text is taken; the rest is left out and counted. Importing this package loads nothing but the domain.
"""
