"""A second opinion on a ticket: what it claims is computed again, by other code than built it."""

from ._verification import Verification
from ._verify import verify

__all__ = ["Verification", "verify"]
