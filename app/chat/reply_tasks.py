"""The running reply tasks, by message and by conversation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from app.chat.reply_task import ReplyTask
from app.domain.messages import Message, MessageState

CLOSE_TIMEOUT_S = 5.0  # replies whose end is not stored by then are marked interrupted at the next start


class ReplyTasks:
    """Keeps each task until the end of its reply is committed, even if a full disk delays that."""

    def __init__(self) -> None:
        self._tasks: dict[str, ReplyTask] = {}

    def add(self, task: ReplyTask) -> None:
        """Add a task that has just been started."""
        self._tasks[task.reply.message_id] = task
        task.done.add_done_callback(lambda _: self._forget(task))

    def find(self, message_id: str) -> ReplyTask | None:
        """The task of the reply, unless its end is committed."""
        return self._tasks.get(message_id)

    def of(self, conversation_id: str) -> list[ReplyTask]:
        """All tasks of a conversation."""
        return [task for task in self._tasks.values() if task.reply.message.conversation_id == conversation_id]

    async def end_of(self, task: ReplyTask) -> Message:
        """Wait until the end of the reply is committed; the final message. Raises :class:`~app.errors.StoreError`."""
        await task.ended.wait()
        message = await asyncio.shield(task.save())
        self._forget(task)
        return message

    async def settle(self, conversation_id: str) -> None:
        """Commit the ends that could not be stored before. Raises :class:`~app.errors.StoreError`."""
        for task in self.of(conversation_id):
            if task.ended.is_set():
                await self.end_of(task)

    async def close(self) -> None:
        """Shut down: stop all replies, keep their text and mark them interrupted."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.stop(MessageState.INTERRUPTED)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*map(self.end_of, tasks), return_exceptions=True)

    def _forget(self, task: ReplyTask) -> None:
        if task.saved is not None:
            self._tasks.pop(task.reply.message_id, None)
