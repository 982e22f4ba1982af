"""The ticket: masks and an address, in one record with one file format."""

from ._check import check_ticket
from ._encoding import BitMask, Mask, OwnerMask, pack, unpack
from ._file import load_ticket
from ._graph import TicketGraph, ticket_graph
from ._ticket import MaskedTensor, Stage, Ticket, array_sha256, first_block

__all__ = [
    "BitMask",
    "Mask",
    "MaskedTensor",
    "OwnerMask",
    "Stage",
    "Ticket",
    "TicketGraph",
    "array_sha256",
    "check_ticket",
    "first_block",
    "load_ticket",
    "pack",
    "ticket_graph",
    "unpack",
]
