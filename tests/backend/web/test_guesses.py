"""The limit on guesses at the password, with a clock of our own."""

from __future__ import annotations

from backend.web.guesses import FREE, MOST_ADDRESSES, MOST_HELD, MOST_SECONDS, Guesses
from tests.clock import Clock


def guess(guesses: Guesses, number: int, address: str = "192.0.2.1") -> float | None:
    return guesses.note(address, "admin", f"guess {number}")


def test_wrong_passwords_wait_longer_each_time_and_too_many_at_once_are_refused() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    assert [guess(guesses, number) for number in range(FREE)] == [0.0] * FREE
    held = [guess(guesses, FREE + number) or 0.0 for number in range(MOST_HELD)]
    assert held == sorted(held)
    assert 0 < held[0] < held[-1] <= MOST_SECONDS
    assert guess(guesses, 100) is None
    assert guess(guesses, 0, "192.0.2.2") == 0.0, "another address"
    clock.now += MOST_SECONDS
    assert guess(guesses, 101) == MOST_SECONDS


def test_the_same_again_is_no_guess_and_an_address_begins_again_one_day() -> None:
    """A script with an old password is told at once, however often it comes."""
    clock = Clock()
    guesses = Guesses(clock)
    assert {guess(guesses, 1) for _ in range(1000)} == {0.0}
    for number in range(2, 30):
        guess(guesses, number)
    clock.now += 3600
    assert guess(guesses, 31) == 0.0


def test_a_customer_of_many_addresses_is_one_and_memory_is_bounded() -> None:
    guesses = Guesses(Clock())
    for number in range(FREE + 1):
        waits = guess(guesses, number, f"2001:db8::{number:x}")
    assert waits
    for number in range(3 * MOST_ADDRESSES):
        guess(guesses, number, f"198.51.{number // 250}.{number % 250}")
    assert len(guesses) == MOST_ADDRESSES
