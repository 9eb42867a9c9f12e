"""Chat templates of checkpoints: programs that strangers wrote, run in a small process of their own.

:mod:`app.engine.templates.native` writes conversations as a checkpoint wants them, :mod:`app.engine.templates.renderer`
keeps the process, :mod:`app.engine.templates.sandbox` is that process, :mod:`app.engine.templates.environment` the
language that templates are written in.
"""
