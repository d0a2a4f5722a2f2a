# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Waiting for something to become true: a deadline, never a guess."""

import time


class NeverHappened(AssertionError):
    pass


def until(condition, seconds=30.0, what="the condition", every=0.03):
    """The first true value of condition(), or a failure that says what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {seconds} s; last seen: {value!r}")
        time.sleep(every)


def holds(condition, seconds, what="the condition", every=0.1):
    """Fails as soon as condition() is false within the given time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what}: no longer true"
        time.sleep(every)
