"""Ranks as threads of one process: what they gather goes over a table in place of a network."""

import threading
from concurrent.futures import ThreadPoolExecutor

from option_critic.ranks.ranks import Ranks


def together(count, work):
    """[work(ranks) of each rank]. Where one of them fails the others do not wait for ever."""
    table, barrier = [None] * count, threading.Barrier(count, timeout=60)

    def gathering(rank):
        def gather(x):
            table[rank] = x.clone()
            barrier.wait()
            found = [y.clone() for y in table]
            barrier.wait()
            return found

        return gather

    def run(rank):
        try:
            return work(Ranks(rank, count, gathering(rank)))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run, rank) for rank in range(count)]
    failed = [error for future in futures if (error := future.exception()) is not None]
    if failed:
        raise next((error for error in failed if not isinstance(error, threading.BrokenBarrierError)), failed[0])
    return [future.result() for future in futures]
