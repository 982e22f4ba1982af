import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def only_new_objects_are_collected():
    """Trainers of transformers collect garbage when they start; to look through all that is imported takes longest."""
    gc.freeze()
    yield
    gc.unfreeze()
