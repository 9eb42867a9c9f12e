"""Limits of what a person, a program or an imported file may store."""

MAX_TITLE_CHARS = 200
MAX_SYSTEM_PROMPT_CHARS = 20_000
MAX_MESSAGE_CHARS = 400_000
MAX_COMMENT_CHARS = 4_000
MAX_RANKED_REPLIES = 8  # in one ranking
