"""kill -9 of web while requests with an Idempotency-Key are going on: sent again, each is done once."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from tests.portal import Client, Portal, wait_until

pytestmark = [pytest.mark.slow]
THREADS, EACH = 4, 60


def test_what_is_sent_again_is_done_once(tmp_path: Path) -> None:
    with Portal(tmp_path / "home") as portal, portal.client() as client:
        answered: dict[str, str] = {}

        def send(client: Client, key: str) -> None:
            headers = {"Idempotency-Key": key}
            answer = client.http.post(f"{client.base}/runs/start/", json={"experiment": "e"}, headers=headers)
            assert answer.status_code == 201, answer.text
            assert answered.setdefault(key, answer.json()["id"]) == answer.json()["id"]

        def send_many(number: int) -> None:
            with portal.client() as own:
                for each in range(EACH):
                    try:
                        send(own, f"{number}-{each}")
                    except httpx.HTTPError:
                        return

        threads = [threading.Thread(target=send_many, args=[number]) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) > THREADS * 3, what="some answers")
        portal.kill("web")
        for thread in threads:
            thread.join()
        assert len(answered) < THREADS * EACH  # it was killed before they had all come
        wait_until(portal._is_ready, what="web answers again")
        for number in range(THREADS):
            for each in range(EACH):
                send(client, f"{number}-{each}")
        assert client.get("experiments/e/")["runs"] == THREADS * EACH == len(set(answered.values()))
