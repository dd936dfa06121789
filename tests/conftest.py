"""Shared fixtures, and one line at the end: the largest error against the golden vectors."""

from __future__ import annotations

import os
import signal

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported, by whomever

ERRORS: list[tuple[float, str]] = []


@pytest.fixture
def largest_errors() -> list[tuple[float, str]]:
    return ERRORS


def pytest_terminal_summary(terminalreporter) -> None:
    if ERRORS:
        error, what = max(ERRORS)
        terminalreporter.write_line(
            f"golden vectors: {len(ERRORS)} arrays, largest relative error {error:.1e} ({what})"
        )


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would every program that a test starts and interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
