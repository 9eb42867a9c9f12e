"""Rendering of checkpoints' own chat templates: untrusted programs, run in a sandboxed child process.

``native_format`` renders conversations in a checkpoint's format, ``acceptance`` finds out what that accepts,
``renderer`` manages the child process, ``sandbox`` is that process, ``environment`` its Jinja environment.
"""
