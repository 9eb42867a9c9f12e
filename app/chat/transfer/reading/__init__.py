"""Reads files with chats: Parley's own and those of other programs. Runs in a process of its own.

    records.py   a file (JSON, JSON Lines, zip) → its records, one at a time
    formats.py   a record → conversations, by the program that wrote it
    content.py   a message's author and text
    tree.py      messages → a tree that can be stored

What is text is taken; the rest is left out and counted. Importing this package loads nothing but the domain.
"""
