"""Full-text search for scripts with and without spaces between words, and for prefixes of words.

Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese do not put spaces between words, so each of their characters
(and each emoji) is a token of its own, and a run of them in a query is a phrase: 你好 finds every text with these two
in sequence. Other words are single tokens, and a word in a query matches all words that begin with it. Digits beside
letters are a token of their own: 15 finds iPhone15. The table ``search_documents`` contains the tokens separated by
single spaces; SQLite indexes it with FTS5 (updated by triggers, see the first migration), other databases search it
with LIKE. Tokens contain letters, digits and symbols only, so queries can't contain the syntax of either. Who changes
the tokens adds a migration like ``0002_search_tokens``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, column, delete, func, select, table, text
from sqlalchemy.orm import Session

from app.domain.messages import SearchHit
from app.store.damage import DamageLog
from app.store.folding import fold
from app.store.row_mapping import conversation_from
from app.store.snippets import FIRST_CHARS, SEARCHED_CHARS, Snippet, Wanted, snippet
from app.store.tables import ConversationRow, MessageRow, SearchRow

MAX_QUERY_CHARS = 200
ROWS_AT_ONCE = 100  # of an index: what is read beyond the last one needed is wasted
BUDGET_CHARS = 1_000_000  # searched for snippets per query; texts after that are searched in their beginning only

# Characters that are tokens of their own: Thai, Lao, Burmese, Khmer, Tai and their marks, CJK radicals and ideographs,
# kana, hangul, and pictures.
_SINGLE = (
    "\u0e01-\u0e3a\u0e40-\u0e5b\u0e81-\u0eff\u1000-\u109f\u1780-\u17d3\u17d7-\u17f9\u1950-\u19df\u1a20-\u1aad"
    "\ua9e0-\ua9fe\uaa60-\uaadf"
    "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f"
    "\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff\U00020000-\U0003ffff"
)
# Separators: ASCII except letters and digits, other punctuation, surrogates, joiners, variation selectors, skin tones.
_SEPARATOR = (
    "\x00-\x2f\x3a-\x60\x7b-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030"
    "\ud800-\udfff\ufe00-\ufe0f\u0e3f\u0f0b-\u0f14\u17d4-\u17d6\ufe30-\ufe6f\ufeff\U0001f3fb-\U0001f3ff"
)
_TOKENS = re.compile(f"[{_SINGLE}]|\\d+|[^{_SINGLE}{_SEPARATOR}\\d]+")
_PHRASES = re.compile(f"[{_SINGLE}]+|[^{_SINGLE}{_SEPARATOR}]+")
_IS_SINGLE = re.compile(f"[{_SINGLE}]")


@dataclass(frozen=True, slots=True)
class Term:
    """A search term: the beginning of a word, which may be of letters and digits, or a run of single characters."""

    text: str

    @property
    def is_phrase(self) -> bool:
        """Whether this is a run of single-character tokens."""
        return bool(_IS_SINGLE.match(self.text))

    @property
    def tokens(self) -> str:
        """The term in the form of ``search_documents``."""
        return " ".join(self._parts)

    @property
    def beginning(self) -> str:
        """What each match of the pattern begins with."""
        return self._parts[0]

    @property
    def pattern(self) -> str:
        """A regular expression that finds the term in folded text."""
        found = f"[{_SEPARATOR}]*".join(map(re.escape, self._parts))
        if self.is_phrase:
            return found
        before = r"\d" if self._parts[0].isdecimal() else rf"[^{_SINGLE}{_SEPARATOR}\d]"
        return f"(?<!{before}){found}"

    @property
    def _parts(self) -> list[str]:
        return _TOKENS.findall(self.text)


def document(text: str) -> str:
    """`text` in the form of ``search_documents``: its tokens, each between single spaces."""
    return f" {' '.join(_TOKENS.findall(fold(text)))} "


def terms(query: str) -> list[Term]:
    """The terms of a query, all of which a text must contain; empty if `query` has no tokens."""
    return [Term(t) for t in dict.fromkeys(_PHRASES.findall(fold(query[:MAX_QUERY_CHARS])))]


class Search:
    """Updates and queries the search index."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def put_title(self, conversation_id: str, title: str) -> None:
        """Index a conversation's title in place of its former one."""
        old = (SearchRow.conversation_id == conversation_id) & SearchRow.message_id.is_(None)
        self._session.execute(delete(SearchRow).where(old).execution_options(synchronize_session=False))
        if title:
            self._session.add(SearchRow(conversation_id=conversation_id, message_id=None, text=document(title)))
            self._session.flush()

    def put_message(self, conversation_id: str, message_id: str, content: str) -> None:
        """Index a finished message."""
        if content:
            row = SearchRow(conversation_id=conversation_id, message_id=message_id, text=document(content))
            self._session.add(row)
            self._session.flush()

    def find(self, user_id: str, query: str, limit: int) -> list[SearchHit]:
        """One hit for each of at most `limit` conversations of `user_id`: its newest matching message, else its title.

        They are the conversations of the newest texts that match, so that not all matches are read; the one that was
        changed last comes first.
        """
        wanted = terms(query)
        if not wanted:
            return []
        messages = self._newest(user_id, wanted, limit)
        messages.update(self._older_than_titles([key for key, message in messages.items() if message is None], wanted))
        of_hit = and_(
            MessageRow.conversation_id == ConversationRow.id,
            MessageRow.id.in_([m for m in messages.values() if isinstance(m, str)]),
        )
        rows = self._session.execute(
            select(ConversationRow, MessageRow.id, func.substr(MessageRow.content, 1, SEARCHED_CHARS))
            .outerjoin(MessageRow, of_hit)
            .where(ConversationRow.id.in_(messages))
            .order_by(ConversationRow.updated_at.desc(), ConversationRow.id.desc())
        )
        snippets = _Snippets(Wanted([t.pattern for t in wanted], [t.beginning for t in wanted]))
        return list(self._damage.legible(rows, lambda row: _hit(row[0], row[1], row[2], snippets)))

    def _newest(self, user_id: str, wanted: Sequence[Term], limit: int) -> dict[str, str | None]:
        """The conversations of the newest matches, each with its message; ``None`` if so far only its title matches."""
        query = (
            select(SearchRow.conversation_id, SearchRow.message_id)
            .join(ConversationRow, ConversationRow.id == SearchRow.conversation_id)
            .where(ConversationRow.user_id == user_id, ConversationRow.deleted_at.is_(None))
            .where(ConversationRow.dataset_file.is_(None))
            .execution_options(yield_per=ROWS_AT_ONCE)
        )
        if self._session.get_bind().dialect.name == "sqlite":
            index = table("search_index", column("rowid"))
            syntax = " ".join(f'"{t.tokens}"' + ("" if t.is_phrase else "*") for t in wanted)
            query = query.join(index, index.c.rowid == SearchRow.id).order_by(index.c.rowid.desc())  # as FTS5 reads it
            query = query.where(text("search_index MATCH :syntax").bindparams(syntax=syntax))
        else:
            query = query.where(_contains(wanted)).order_by(SearchRow.id.desc())
        found: dict[str, str | None] = {}
        with closing(self._session.execute(query)) as rows:
            for conversation_id, message_id in rows:
                if isinstance(conversation_id, str):  # not damaged
                    found[conversation_id] = found.get(conversation_id) or message_id
                if len(found) == limit:
                    break
        return found

    def _older_than_titles(self, conversation_ids: Sequence[str], wanted: Sequence[Term]) -> dict[str, str]:
        """The newest matching message of each conversation that has one."""
        query = select(SearchRow.conversation_id, SearchRow.message_id).where(
            SearchRow.conversation_id.in_(conversation_ids), SearchRow.message_id.is_not(None), _contains(wanted)
        )
        rows = self._session.execute(query.order_by(SearchRow.id))
        return {conversation_id: message_id for conversation_id, message_id in rows if message_id is not None}


def _contains(wanted: Sequence[Term]) -> ColumnElement[bool]:
    """Whether a document contains all terms, without an index."""
    words = (f" {t.tokens} " if t.is_phrase else f" {t.tokens}" for t in wanted)
    return and_(*(SearchRow.text.contains(word, autoescape=True) for word in words))


class _Snippets:
    """The snippets of one query; bounds how much text it searches for them."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted, self._budget_chars = wanted, BUDGET_CHARS

    def of(self, text: str) -> Snippet:
        searched_chars = min(SEARCHED_CHARS, max(FIRST_CHARS, self._budget_chars))
        self._budget_chars -= len(text)
        return snippet(text, self._wanted, searched_chars)


def _hit(row: ConversationRow, message_id: str | None, content: str | None, snippets: _Snippets) -> SearchHit:
    conversation = conversation_from(row)
    text = content if isinstance(content, str) else conversation.title  # also when the message is damaged
    shown = snippets.of(text)
    return SearchHit(conversation, message_id, shown.text, shown.ranges)
