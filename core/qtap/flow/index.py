"""Where conversations are found: by socket or TLS handle, by socket alone, by process."""

from __future__ import annotations

from collections.abc import Collection

from qtap.flow.conversation import Conversation

Key = int | tuple[int, int]
"""A socket's kernel address, or process and TLS handle."""


class Index:
    """Every open conversation; `table` has them by key, the oldest first."""

    def __init__(self) -> None:
        self.table: dict[Key, Conversation] = {}
        self._by_socket: dict[int, set[Key]] = {}
        self._handles: dict[int, set[Key]] = {}
        """The TLS handles of each process, which end with it."""
        self._aside = 0

    def add(self, key: Key, conversation: Conversation) -> None:
        """Find `conversation` by `key` from now on, and by its socket if it has one."""
        self.table[key] = conversation
        if conversation.sk:
            self._by_socket.setdefault(conversation.sk, set()).add(key)
        if isinstance(key, tuple):
            self._handles.setdefault(key[0], set()).add(key)

    def move(self, key: Key, conversation: Conversation, sk: int) -> None:
        """Find `conversation` by another socket; 0: by none."""
        self._leave_socket(key, conversation)
        conversation.sk = sk
        if sk:
            self._by_socket.setdefault(sk, set()).add(key)

    def put_aside(self, key: Key, conversation: Conversation) -> Key:
        """Keep `conversation`, whose key and socket belong to another one now; gives a key that no record has."""
        self.remove(key, conversation)
        conversation.sk = 0
        self._aside += 1
        aside = -1, self._aside
        self.table[aside] = conversation
        return aside

    def remove(self, key: Key, conversation: Conversation) -> None:
        """Find `conversation` no more."""
        self.table.pop(key, None)
        self._leave_socket(key, conversation)
        if isinstance(key, tuple) and (handles := self._handles.get(key[0])) is not None:
            handles.discard(key)
            if not handles:
                del self._handles[key[0]]

    def of_socket(self, sk: int) -> Collection[Key]:
        """Give the keys of the conversations on a socket: its own, and those of TLS handles."""
        return self._by_socket.get(sk, ())

    def handles_of(self, pid: int) -> Collection[Key]:
        """Give the keys of the TLS handles of a process."""
        return self._handles.get(pid, ())

    def _leave_socket(self, key: Key, conversation: Conversation) -> None:
        keys = self._by_socket.get(conversation.sk)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._by_socket[conversation.sk]
