"""Maps a function over blocks of work. The answer never depends on how many workers there are, or on where they are.

A block's result may depend on the block alone, never on a neighbour or on the order. Threads share fine blocks
(`map_blocks`): the heavy functions of this package release the interpreter lock. An `Engine` shares coarse ones, such
as the layers of a network or the runs of a sweep, in this process, among several, or among the machines of a Ray
cluster.
"""

from ._map_blocks import available_cores, map_blocks
from ._processes import Processes, WorkerDiedError
from ._ray import Ray
from ._workers import Engine, Workers, in_process

__all__ = [
    "Engine",
    "Processes",
    "Ray",
    "WorkerDiedError",
    "Workers",
    "available_cores",
    "in_process",
    "map_blocks",
]
