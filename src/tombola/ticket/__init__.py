"""The ticket: masks and an address, in one record with one file format."""

from ._check import check_ticket
from ._container import content_sha256, read_container, write_container
from ._cost import ticket_cost
from ._encoding import BitMask, Mask, OwnerMask, pack, unpack
from ._file import layout_to_json, load_ticket, ticket_arrays, write_ticket
from ._generations import values_at
from ._graph import TicketGraph, ticket_graph
from ._json import check_json, strict_json
from ._ticket import MaskedTensor, Stage, Ticket, array_sha256, first_block
from ._values import half, kept_only

__all__ = [
    "BitMask",
    "Mask",
    "MaskedTensor",
    "OwnerMask",
    "Stage",
    "Ticket",
    "TicketGraph",
    "array_sha256",
    "check_json",
    "check_ticket",
    "content_sha256",
    "first_block",
    "half",
    "kept_only",
    "layout_to_json",
    "load_ticket",
    "pack",
    "read_container",
    "strict_json",
    "ticket_arrays",
    "ticket_cost",
    "ticket_graph",
    "unpack",
    "values_at",
    "write_container",
    "write_ticket",
]
