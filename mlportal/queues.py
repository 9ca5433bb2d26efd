"""The queues that a worker takes messages from, changed while it works: compute targets come and go."""

from collections.abc import Iterable
from typing import Any


class Queues:
    """Those that Celery's consumer has from its start stay; `take` says which others it shall have from now on."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._always = frozenset(consumer.app.amqp.queues.consume_from)
        self._asked: frozenset[str] = frozenset()

    def take(self, names: Iterable[str]) -> None:
        """May be called in any thread: the consumer changes its queues in its own, between two messages."""
        asked = frozenset(names)
        if asked != self._asked:
            self._asked = asked
            self._consumer.call_soon(self._change, asked)

    def _change(self, asked: frozenset[str]) -> None:
        taken = frozenset(self._consumer.app.amqp.queues.consume_from) - self._always
        for name in sorted(asked - taken):
            self._consumer.add_task_queue(name)
        for name in sorted(taken - asked):
            self._consumer.cancel_task_queue(name)
