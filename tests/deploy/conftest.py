import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Forwards with annotations of shapes can be traced only while these are not checked."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
