"""Many lines in, as many lines out, in the same order, by as many processes as are worth it.

https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

Answer = Callable[[str], str]

LINES, CHARACTERS = 500, 1_000_000  # that a process is given at once, at most
AHEAD = 4  # parts for each process that are read before the first of them is written


def answers(lines: Iterable[str], answer: Answer, processes: int) -> Iterator[str]:
    """Yield the answer to each line, in order. What `answer` knows is there in every process, which are forks of this.

    Raise BrokenProcessPool when one of them is killed.
    """
    if processes == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(answer, lines)
        return
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, fork, initializer=_begin, initargs=(answer,)) as pool:
        waiting: deque[Future[list[str]]] = deque()
        try:
            for part in _parts(lines):
                waiting.append(pool.submit(_answered, part))
                if len(waiting) > AHEAD * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)  # what nobody waits for any more


def _parts(lines: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    length = 0
    for line in lines:
        part.append(line)
        length += len(line)
        if len(part) == LINES or length > CHARACTERS:
            yield part
            part, length = [], 0
    if part:
        yield part


_answer: Answer = str  # of a process that was begun


def _begin(answer: Answer) -> None:
    global _answer
    _answer = answer
    # Ctrl-C reaches all; the process that reads and writes ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answered(lines: Sequence[str]) -> list[str]:
    return [_answer(line) for line in lines]
