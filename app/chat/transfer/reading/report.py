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
    DELETED = "deleted"  # in the other program
    SPAM = "spam"  # as the other program's reviewers say


class Changed(StrEnum):
    """What differs in what was taken."""

    ATTACHMENTS = "attachments"  # pictures, files, sounds: left out of a message with text
    REATTACHED = "reattached"  # the message that it answers is not in the file
    SHORTENED = "shortened"  # a text was longer than one may be
    SETTINGS = "settings"  # sampling parameters that can't be set
    RANKINGS = "rankings"  # replies of a ranking, or all of it: they are missing, too many or to different messages
    SCORES = "scores"  # a score without a thumb that is neither clearly good nor bad


class Skipped(StrEnum):
    """Why a record or file of many was skipped."""

    NO_MESSAGES = "no_messages"  # no chat, or nothing of it is text
    NO_VOTE = "no_vote"  # a step of a chat in a log of votes; the vote repeats it
    OTHER_PROMPTS = "other_prompts"  # a choice between replies to different questions
    REJECTED = "rejected"  # by the other program's moderators
    BROKEN = "broken"  # not JSON, cut off, damaged
    NEWER_VERSION = "newer_version"  # of Parley's own format
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    ENCRYPTED = "encrypted"
    NOT_STORED = "not_stored"
