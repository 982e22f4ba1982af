"""Blocks on the workers of a Ray cluster."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ._map_blocks import available_cores
from ._workers import Workers

PER_WORKER = 2  # blocks that a worker has, one to work on and one to go on with


@dataclass(frozen=True)
class Ray:
    """The engine that has every block done by a worker of a Ray cluster.

    Blocks and results travel by value, so no folder has to be shared. Only `PER_WORKER` blocks for each worker are
    under way at a time. A block whose worker dies (killed, out of memory, machine gone) is done again by another one:
    it gives the same bits. An exception that a block raises itself is raised here at once.

    A cluster that Ray is already connected to is used and left running. Otherwise one is joined, or started on this
    machine for as long as the work takes: no dashboard, no usage statistics, reachable from this machine alone.

    Args:
        address: of a cluster to join; default: what `RAY_ADDRESS` says, else one is started here.
        cpus: of the cluster that is started; default: one per available core.
        retries: how often a block is done again before its worker's death is raised as a `ray.exceptions.RayError`.

    Raises:
        ValueError: if there is less than one cpu, or less than no retry.

    Example:
        >>> Ray(cpus=2)
        Ray(address=None, cpus=2, retries=3)
    """

    address: str | None = None
    cpus: int | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        if self.retries < 0 or (self.cpus is not None and self.cpus < 1):
            raise ValueError(f"a Ray engine needs cpus >= 1 and retries >= 0, got {self.cpus} and {self.retries}")

    def __call__(
        self, task: Callable[[Any, Workers], Any], blocks: Sequence[Any], workers: Workers
    ) -> Generator[tuple[int, Any], None, None]:
        """See `Engine`; each worker has `workers.threads` cpus, by default one.

        Raises:
            ImportError: if Ray is not installed.
        """
        threads = 1 if workers.threads is None else workers.threads
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        with _connected(self) as ray:
            _check_room(ray, threads)
            cluster = _Cluster(ray, ray.remote(num_cpus=threads, max_retries=self.retries)(_done), ray.put(task), {})
            try:
                for number, block in enumerate(blocks):
                    while len(cluster.under_way) >= PER_WORKER * max(1, cluster.cpus() // threads):
                        yield from cluster.next_done(workers)
                    cluster.begin(number, block, threads)
                while cluster.under_way:
                    yield from cluster.next_done(workers)
            finally:
                for reference in cluster.under_way:
                    ray.cancel(reference, force=True)


@dataclass(frozen=True)
class _Cluster:
    """A cluster at work: Ray, what its workers run, the task, and the number of each block that is under way."""

    ray: Any
    remote: Any
    task: Any
    under_way: dict[Any, int]

    def cpus(self) -> int:
        """How many there are now: clusters grow and shrink."""
        return int(self.ray.cluster_resources().get("CPU", 1))

    def begin(self, number: int, block: object, threads: int) -> None:
        """Sends a block."""
        self.under_way[self.remote.remote(self.task, self.ray.cloudpickle.dumps(block), threads)] = number

    def next_done(self, workers: Workers) -> Iterator[tuple[int, Any]]:
        """Number and result of one block that is done; then its progress is told."""
        (reference, *_), _ = self.ray.wait(list(self.under_way), num_returns=1)
        number = self.under_way.pop(reference)
        try:
            packed = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            error.number = number  # of the block that was lost
            raise
        result, items = pickle.loads(packed)
        yield number, result
        workers.progress(items)


def _done(task: Callable[[Any, Workers], Any], packed: bytes, threads: int) -> bytes:
    """A block's result and how many items its progress counted, pickled; runs on a worker.

    Blocks and results travel as bytes: arrays that Ray hands out itself are read-only views of memory that it takes
    back, and what Ray packs itself must be smaller than 4 GB.
    """
    import ray

    items: list[int] = []
    result = task(pickle.loads(packed), Workers(threads, items.append))
    return ray.cloudpickle.dumps((result, sum(items)))  # pyright: ignore[reportAttributeAccessIssue] - not declared


def _check_room(ray: Any, threads: int) -> None:  # noqa: ANN401 - a module
    """Raises ValueError if no machine of the cluster has so many cpus: the work would wait for ever."""
    largest = max((int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=0)
    if threads > largest:
        raise ValueError(f"a block is to have {threads} threads, but no machine of the cluster has over {largest} cpus")


@contextmanager
def _connected(engine: Ray) -> Iterator[Any]:
    """Ray, connected to a cluster; what was started for that is ended."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("the Ray engine needs Ray: pip install 'tombola[ray]'", name="ray") from error
    if ray.is_initialized():
        yield ray
        return
    address = engine.address or os.environ.get("RAY_ADDRESS")
    try:
        with _usage_statistics_off():
            ray.init(
                address=address,
                num_cpus=None if address else engine.cpus or available_cores(),
                include_dashboard=None if address else False,
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address=None if address else "127.0.0.1",
            )
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _usage_statistics_off() -> Iterator[None]:
    """The environment in which a cluster that is started sends nothing anywhere; put back afterwards."""
    name = "RAY_USAGE_STATS_ENABLED"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
