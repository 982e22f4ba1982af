import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from tombola.data import load
from tombola.training import Hardware, Trainer, sgd
from tombola.training._examples import Examples

SAME = {"rtol": 0, "atol": 0}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def net():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.normal_(model[1].weight, std=0.1, generator=drawn(1))
    nn.init.zeros_(model[1].bias)
    return model


@pytest.mark.parametrize("workers", [0, 2])
def test_a_map_style_data_set_trains_to_the_bits_of_one_in_memory(digits, workers):
    whole = Trainer(digits, 30)(net(), {}, start=0, stop=30, generator=drawn())
    pairs = TensorDataset(*digits.train())
    train = Trainer(pairs, 30, hardware=Hardware(workers=workers))
    # a loader draws a seed of its own at each pass: the first 12 steps are those of the data set in memory
    first = Trainer(digits, 30)(net(), {}, start=0, stop=12, generator=drawn())
    again = train(net(), {}, start=0, stop=12, generator=drawn())
    torch.testing.assert_close(again.state_dict(), first.state_dict(), **SAME)
    longer = train(net(), {}, start=0, stop=30, generator=drawn())
    torch.testing.assert_close(longer.state_dict(), whole.state_dict(), rtol=0, atol=0.2)


class Noisy(Dataset):
    """Points on a line with noise that is drawn anew, and numbers as targets."""

    def __len__(self):
        return 50

    def __getitem__(self, index):
        x = torch.tensor([index / 50])
        return x + 0.01 * torch.randn(1), 3 * x


def test_any_loss_and_random_examples_follow_from_the_generator():
    train = Trainer(Noisy(), 200, batch_size=10, optimiser=sgd(0.3), loss=nn.functional.mse_loss)
    model, state = nn.Linear(1, 1), torch.get_rng_state()
    first, second = (train(model, {}, start=0, stop=200, generator=drawn()) for _ in range(2))
    torch.testing.assert_close(first.state_dict(), second.state_dict(), **SAME)
    assert first.weight.item() == pytest.approx(3, abs=0.1)
    assert torch.get_rng_state().equal(state)


def test_a_list_of_pairs_is_a_data_set():
    pairs = [(torch.tensor([float(k)]), k % 2) for k in range(8)]
    train = Trainer(pairs, 5, batch_size=4, optimiser=sgd(0.01))
    assert isinstance(train(nn.Linear(1, 2), {}, start=0, stop=5, generator=drawn()), nn.Linear)


@pytest.mark.parametrize(("pairs", "said"), [([], "no examples"), ([1.0, 2.0], "a pair"), (["a"], "a pair")])
def test_what_is_no_data_set_of_pairs_is_said(pairs, said):
    with pytest.raises(ValueError, match=said):
        Trainer(pairs, 5)(nn.Linear(1, 2), {}, start=0, stop=5, generator=drawn())


def test_inputs_that_the_model_does_not_take_are_said(digits):
    with pytest.raises(ValueError, match="does not take inputs of shape 1 x 8 x 8"):
        Trainer(TensorDataset(*digits.train()), 5)(nn.Linear(3, 2), {}, start=0, stop=5, generator=drawn())


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("in_memory", [True, False])
def test_processes_share_each_batch_and_weigh_their_parts(digits, ranks, in_memory):
    data = digits if in_memory else TensorDataset(*digits.train())
    alone = list(Examples(data, 100, CPU).once(drawn(5)))
    shared = [list(Examples(data, 100, CPU, rank=rank, ranks=ranks).once(drawn(5))) for rank in range(ranks)]
    assert [len(one) for one in shared] == [len(alone)] * ranks == [15] * ranks
    for step, batch in enumerate(alone):
        parts = [one[step] for one in shared]
        assert sum(len(part.targets) for part in parts) == len(batch.targets)
        mean = sum(part.weight * part.inputs.double().mean(0) for part in parts) / ranks
        torch.testing.assert_close(mean, batch.inputs.double().mean(0))


def test_a_batch_of_fewer_examples_than_processes_is_everybodys():
    pairs = [(torch.tensor([float(k)]), k) for k in range(5)]
    last = [list(Examples(pairs, 4, CPU, rank=rank, ranks=2).once(drawn()))[-1] for rank in range(2)]
    assert last[0].targets.equal(last[1].targets)
    assert [part.weight for part in last] == [1.0, 1.0]


def test_a_pass_can_begin_in_its_middle(digits):
    whole = list(Examples(digits, 100, CPU).once(drawn(5)))
    later = list(Examples(digits, 100, CPU).once(drawn(5), skip=9))
    assert [batch.targets.tolist() for batch in later] == [batch.targets.tolist() for batch in whole[9:]]
