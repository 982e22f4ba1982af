import pytest


@pytest.fixture
def sizes():
    """The numbers of non-zero weights and biases of a network."""

    def count(net):
        return tuple(
            sum(int((p != 0).sum()) for name, p in net.named_parameters() if name.endswith(end))
            for end in ("weight", "bias")
        )

    return count


@pytest.fixture
def idle():
    """The parameters `(name, place)` whose removal moves no output on given inputs by more than a tolerance."""

    def find(net, x, *, atol):
        wanted = net(x).detach()
        found = []
        for name, p in net.named_parameters():
            flat = p.detach().view(-1)
            for place in flat.nonzero().flatten().tolist():
                value = flat[place].item()
                flat[place] = 0
                if float((net(x).detach() - wanted).abs().max()) <= atol:
                    found.append((name, place))
                flat[place] = value
        return found

    return find
