"""How many replicas a service has: as many as its load asks for, quickly up and slowly down."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from django.conf import settings

from models_registry.models import Deployment


@dataclass
class Scaler:
    desired: int
    reason: str = ""
    _wishes: deque[tuple[float, int]] = field(default_factory=deque, init=False)  # what the load asked for, and when
    _look_at: float = field(default=0.0, init=False)

    def look(self, row: Deployment, load: float, now: float) -> None:
        """`load`: requests at once, on average of the last second."""
        low, high = row.min_replicas, row.max_replicas
        if low >= high:
            self.desired, self.reason = low, ""
            self._wishes.clear()
            return
        self.desired = min(max(self.desired, low), high)
        if now < self._look_at:
            return
        self._look_at = now + row.refresh_seconds
        wish = min(max(math.ceil(load * 100 / row.target_utilization), low), high)
        self._wishes.append((now, wish))
        while self._wishes[0][0] < now - settings.SERVICE_SCALE_DOWN_SECONDS:
            self._wishes.popleft()
        calm = self._wishes[0][0] <= now - settings.SERVICE_SCALE_DOWN_SECONDS + row.refresh_seconds + 1
        most = max(each for _, each in self._wishes)
        if wish > self.desired:
            self._set(wish, f"{load:.1f} requests at once are more than {row.target_utilization} % of {self.desired}")
        elif most < self.desired and calm:
            waited = settings.SERVICE_SCALE_DOWN_SECONDS
            self._set(most, f"{most} {'was' if most == 1 else 'were'} enough for the last {waited:g} s")

    def _set(self, desired: int, reason: str) -> None:
        self.reason = f"{self.desired} → {desired}: {reason}"
        self.desired = desired
