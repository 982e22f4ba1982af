import pytest
import torch

from tombola.isolation import isolated_random_state, torch_threads


def drawn(seed):
    with isolated_random_state(torch.Generator().manual_seed(seed)):
        return torch.rand(4)


def test_the_numbers_of_a_block_follow_from_the_generator():
    torch.testing.assert_close(drawn(1), drawn(1), rtol=0, atol=0)
    assert not drawn(1).equal(drawn(2))


def test_one_generator_gives_another_block_each_time(generator):
    with isolated_random_state(generator):
        first = torch.rand(4)
    with isolated_random_state(generator):
        assert not first.equal(torch.rand(4))


@pytest.mark.usefixtures("untouched")
def test_the_global_numbers_go_on_as_before_even_after_an_exception(generator):
    with pytest.raises(KeyError), isolated_random_state(generator):
        raise KeyError(torch.rand(1))


@pytest.mark.parametrize("count", [1, 3])
def test_the_thread_count_holds_inside_and_is_put_back(count):
    before = torch.get_num_threads()
    inside = []
    with pytest.raises(KeyError), torch_threads(count):
        raise KeyError(inside.append(torch.get_num_threads()))
    assert inside == [count]
    assert torch.get_num_threads() == before


def test_none_changes_no_thread_count():
    before = torch.get_num_threads()
    with torch_threads(None):
        assert torch.get_num_threads() == before
