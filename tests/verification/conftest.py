import pytest

from tombola import load


@pytest.fixture
def reloaded(tmp_path):
    """The ticket as someone gets it who is handed the file."""

    def through_a_file(ticket):
        ticket.save(tmp_path / "t.ticket")
        return load(tmp_path / "t.ticket")

    return through_a_file
