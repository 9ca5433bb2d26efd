"""Public identifiers: 32 hex digits, as MLflow's run ids, and sorted by time (RFC 9562, version 7), which keeps index pages warm."""

import secrets
import time


def new_uid() -> str:
    """48 bits of milliseconds, version and variant bits, 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"
