"""A simulated process dies at any step without a trace, stops and goes on in order, and leaves what it sent behind."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

import pytest

from tests.simulation.loop import run_virtually
from tests.simulation.process import Journey, NoAnswer, Process, begin_in_world, carried_out, in_world

AT_ONCE = Journey(out=1.0, back=1.0)


@pytest.mark.parametrize("steps", range(1, 8))
def test_nothing_of_a_killed_process_has_an_effect(steps: int) -> None:
    done: list[int] = []

    async def work() -> None:
        try:
            for number in range(100):
                done.append(number)
                await asyncio.sleep(0.1 if number % 2 else 0)
        finally:
            done.append(-1)
            await asyncio.sleep(0)
            done.append(-2)

    async def main() -> list[int]:
        process = Process("p")
        task = process.begin(work())
        process.kill(after=steps)
        await asyncio.sleep(50)
        assert not process.alive
        task.cancel()
        await asyncio.sleep(50)
        return list(done)

    found = run_virtually(main())
    assert found == list(range(len(found)))
    assert 1 <= len(found) <= steps


def test_everything_that_a_process_began_dies_with_it() -> None:
    done: list[str] = []

    async def work() -> None:
        task = asyncio.ensure_future(later("task"))
        asyncio.get_event_loop().call_later(5, done.append, "timer")
        await later("itself")
        await task

    async def later(name: str) -> None:
        await asyncio.sleep(5)
        done.append(name)

    async def main() -> list[str]:
        process = Process("p")
        process.begin(work())
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(50)
        return list(done)

    assert run_virtually(main()) == []


def test_a_request_that_has_left_is_carried_out_though_its_sender_is_dead_paused_or_gave_up() -> None:
    carried: list[str] = []

    async def send(name: str, patience: float | None = None) -> None:
        await carried_out(Journey(out=1.0, back=1.0, patience=patience), lambda: carried.append(name))
        carried.append(f"{name} heard")

    async def main() -> list[str]:
        dead, paused, hasty = Process("dead"), Process("paused"), Process("hasty")
        dead.begin(send("dead"))
        paused.begin(send("paused"))
        gave_up = hasty.begin(send("hasty", patience=0.5))
        await asyncio.sleep(0.1)
        dead.kill()
        paused.pause()
        await asyncio.sleep(10)
        assert isinstance(gave_up.exception(), NoAnswer)
        paused.resume()
        await asyncio.sleep(1)
        return list(carried)

    assert run_virtually(main()) == ["dead", "paused", "hasty", "paused heard"]


def test_patience_is_over_while_it_is_still_being_carried_out() -> None:
    carried: list[str] = []

    async def main() -> float:
        async def take_long() -> int:
            await asyncio.sleep(10)
            carried.append("done")
            return 1

        with pytest.raises(NoAnswer):
            _: int = await carried_out(Journey(out=1.0, back=1.0, patience=3.0), take_long)
        gave_up_at = asyncio.get_event_loop().time()
        await asyncio.sleep(10)
        return gave_up_at

    assert (run_virtually(main()), carried) == (3.0, ["done"])


def test_requests_and_answers_get_lost() -> None:
    carried: list[str] = []

    async def main() -> list[str]:
        for lost in ("out", "back"):
            with pytest.raises(NoAnswer):
                await carried_out(Journey(out=1.0, back=1.0, lost=lost, patience=9.0), partial(carried.append, lost))
        return list(carried)

    assert run_virtually(main()) == ["back"]


def test_an_error_is_an_answer_and_a_broken_assertion_ends_the_run() -> None:
    def refuse() -> None:
        raise ValueError("no")

    def break_down() -> None:
        raise AssertionError("the world is wrong")

    async def main() -> None:
        with pytest.raises(ValueError, match="no"):
            await carried_out(AT_ONCE, refuse)
        await carried_out(AT_ONCE, break_down)

    with pytest.raises(AssertionError, match="the world is wrong"):
        run_virtually(main())


def test_a_paused_process_goes_on_in_order() -> None:
    seen: list[str] = []

    async def tick(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(name)

    async def main() -> list[str]:
        process = Process("p")
        for name, seconds in (("late", 3.0), ("early", 1.0), ("last", 60.0)):
            process.begin(tick(name, seconds))
        await asyncio.sleep(0.5)
        process.pause()
        await asyncio.sleep(50)
        assert seen == []
        process.resume()
        await asyncio.sleep(1)
        assert seen == ["early", "late"]
        await asyncio.sleep(20)
        return list(seen)

    assert run_virtually(main()) == ["early", "late", "last"]


def test_a_timer_that_rang_in_the_pause_can_still_be_canceled() -> None:
    """As with a real loop: both are due after the pause, and the first one takes the second back."""
    seen: list[str] = []

    async def work() -> None:
        loop = asyncio.get_event_loop()
        second = loop.call_later(2.0, seen.append, "second")
        loop.call_later(1.0, second.cancel)
        await asyncio.sleep(100)

    async def main() -> list[str]:
        process = Process("p")
        process.begin(work())
        await asyncio.sleep(0.5)
        process.pause()
        await asyncio.sleep(10)
        process.resume()
        await asyncio.sleep(1)
        return list(seen)

    assert run_virtually(main()) == []


def test_the_world_hears_of_a_death_and_goes_on() -> None:
    async def main() -> list[str]:
        heard: list[str] = []

        async def mourn() -> None:
            await asyncio.sleep(1)
            heard.append("closed")

        process = Process("p")
        process.on_death(lambda: heard.append("died"))
        process.begin(asyncio.sleep(100))
        process.run(lambda: begin_in_world(mourn()))
        process.run(lambda: in_world(heard.append, "timer", after=0.5))
        process.kill(after=1)
        await asyncio.sleep(10)
        return heard

    assert run_virtually(main()) == ["died", "timer", "closed"]


def test_a_run_replays_exactly() -> None:
    def play(seed: int) -> list[tuple[float, str]]:
        random, seen = Random(seed), list[tuple[float, str]]()

        async def work(process: Process) -> None:
            for _ in range(20):
                await carried_out(
                    Journey(out=random.random(), back=random.random()),
                    lambda: seen.append((asyncio.get_event_loop().time(), process.name)),
                )

        async def main() -> list[tuple[float, str]]:
            processes = [Process(f"p{number}") for number in range(5)]
            for process in processes:
                process.begin(work(process))
                process.kill(after=random.randrange(1, 60))
            await asyncio.sleep(100)
            return seen

        return run_virtually(main())

    assert play(1) == play(1)
    assert play(1) != play(2)
