"""The last word before a call leaves: may it, and is its lease still good?"""

from __future__ import annotations

import pytest

from bridge.vcd.transport.transports import HELD_BACK, LEASE_EXPIRED, Departure, TransportFault


def test_a_process_that_stood_still_while_it_asked_finds_its_lease_over() -> None:
    now = [0.0]

    def asked() -> bool:
        now[0] = 30.0  # stopped here, and continued
        return True

    with pytest.raises(TransportFault) as fault:
        Departure(5.0, asked).check(lambda: now[0])
    assert fault.value.verdict is LEASE_EXPIRED


def test_what_leaves_too_late_or_may_not_does_not() -> None:
    Departure(5.0, lambda: True).check(lambda: 5.0)
    with pytest.raises(TransportFault) as late:
        Departure(5.0, lambda: True).check(lambda: 5.5)
    with pytest.raises(TransportFault) as held:
        Departure(5.0, lambda: False).check(lambda: 0.0)
    assert (late.value.verdict, held.value.verdict) == (LEASE_EXPIRED, HELD_BACK)
