"""The ticket: masks and an address, in one record with one file format."""

from ._encoding import BitMask, Mask, OwnerMask, pack, unpack
from ._file import load_ticket
from ._ticket import MaskedTensor, Stage, Ticket

__all__ = ["BitMask", "Mask", "MaskedTensor", "OwnerMask", "Stage", "Ticket", "load_ticket", "pack", "unpack"]
