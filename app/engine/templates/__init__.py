"""Chat templates of checkpoints: programs that strangers wrote, run in a small process of their own.

``native_format`` writes conversations as a checkpoint wants them, ``renderer`` keeps the process, ``sandbox`` is that
process, ``environment`` the language that templates are written in.
"""
