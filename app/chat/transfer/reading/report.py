"""What an import tells: reasons why something was left out, in the words of the API."""

from __future__ import annotations

from enum import StrEnum


class LeftOut(StrEnum):
    """Why a message was left out."""

    NO_TEXT = "no_text"  # empty, null, or only pictures and files
    TOOL = "tool"  # a call of a tool, or its result
    REASONING = "reasoning"  # only what the model thought
    HIDDEN = "hidden"  # the other program did not show it
    UNKNOWN_ROLE = "unknown_role"  # by neither a person nor a model
    NOT_A_MESSAGE = "not_a_message"  # something else in a list of messages
    TOO_MANY = "too_many"  # more than a conversation may have


class Changed(StrEnum):
    """What differs in what was taken."""

    ATTACHMENTS = "attachments"  # pictures, files, sounds: left out of a message with text
    REATTACHED = "reattached"  # the message that it answers is not in the file
    SHORTENED = "shortened"  # a text was longer than one may be
    SETTINGS = "settings"  # sampling parameters that can't be set


class Skipped(StrEnum):
    """Why a record or file of many was skipped."""

    NO_MESSAGES = "no_messages"  # no chat, or nothing of it is text
    BROKEN = "broken"  # not JSON, cut off, damaged
    NEWER_VERSION = "newer_version"  # of Parley's own format
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    ENCRYPTED = "encrypted"
    NOT_STORED = "not_stored"
