"""What the figures were measured on, and how much memory it took."""

import os
import platform
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection


def machine() -> dict[str, str | float]:
    """The processor, its cores and how busy they were in the last minute, Python, PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (postgres,) = cursor.fetchone()
    return {**hardware(), "postgres": postgres}


def hardware() -> dict[str, str | float]:
    """The same without a database."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def machine_in_words(machine: Mapping[str, Any]) -> str:
    """`machine()` as a line of a table's head."""
    words = (
        f"{machine['cpu']}, {machine['cores']} cores (load {machine['load']:.1f}), "
        f"Python {machine['python']}"
    )
    return f"{words}, PostgreSQL {machine['postgres']}" if "postgres" in machine else words


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes; macOS: bytes
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
