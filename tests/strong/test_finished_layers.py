"""One ticket whoever builds its layers, wherever, and however often the work was interrupted."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network

from tombola import construct, nearest, one_extra, sparsest, two_layer
from tombola.activations import RELU, activation
from tombola.engines import Ray, Workers
from tombola.graph import Graph
from tombola.random_source import Source
from tombola.strong._build_layers import build_layers
from tombola.strong._finished_layers import FinishedLayers, import_name
from tombola.strong._gated_pair import gated_pair
from tombola.strong._layer import Miss, Parent, Recipe, TargetLayer
from tombola.strong._one_extra import build_copies
from tombola.strong._two_layer import build_pair

EXAMPLE = torch.zeros(1, 12)
SIZES = {"fc1": 12 * 20 + 20, "fc2": 20 * 9 + 9, "fc3": 9 * 40 + 40}
SOLVED: list[tuple[int, ...]] = []


def target():
    """Three layers whose numbers of weights ascend, descend and ascend, with biases."""
    return relu_network(12, 20, 9, 40, bias=True)


def recorded(candidates, targets, *, epsilon):
    """The solver `sparsest`, which remembers what it was asked to solve."""
    SOLVED.append(targets.shape)
    return sparsest(candidates, targets, epsilon=epsilon)


def built(folder, *, solver=sparsest, **workers):
    """The bytes of a ticket's file, but for what its report says of time and memory."""
    ticket = construct(target(), EXAMPLE, seed=5, solver=solver, workers=Workers(**workers))
    report = {**ticket.record["report"], "seconds": 0.0, "peak_rss_bytes": 0}
    path = folder / "one.ticket"
    replace(ticket, record={**ticket.record, "report": report}).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The ticket that one thread builds."""
    return built(tmp_path_factory.mktemp("alone"), threads=1)


def test_the_ticket_is_the_same_for_any_number_of_threads(alone, tmp_path):
    assert built(tmp_path, threads=2) == alone


@pytest.mark.parametrize("cpus", [1, 2])
def test_the_ticket_is_the_same_when_ray_builds_it(alone, tmp_path, cpus):
    ray = pytest.importorskip("ray")
    heard: list[int] = []
    assert built(tmp_path, engine=Ray(cpus=cpus), progress=heard.append) == alone
    assert not ray.is_initialized()
    heard_here: list[int] = []
    built(tmp_path, threads=1, progress=heard_here.append)
    assert sum(heard) == sum(heard_here) > 500
    assert len(heard) == 3


class Interrupted(BaseException):
    """Ctrl-C, as a test can raise it."""


def stop_after(weights):
    """A progress that interrupts the work once so many weights are done."""
    done: list[int] = []

    def progress(count):
        done.append(count)
        if sum(done) > weights:
            raise Interrupted

    return progress


def test_an_interrupted_construction_goes_on_where_it_stopped(alone, tmp_path):
    store = tmp_path / "not there" / "yet"
    SOLVED.clear()
    with pytest.raises(Interrupted):
        built(tmp_path, solver=recorded, threads=1, store=store, progress=stop_after(SIZES["fc3"] + SIZES["fc1"] // 2))
    assert len(list(store.iterdir())) == 1, "the largest layer is finished, the next one is not"
    first = len(SOLVED)
    SOLVED.clear()
    resumed = built(tmp_path, solver=recorded, threads=1, store=store)
    rest = len(SOLVED)
    SOLVED.clear()
    heard: list[int] = []
    whole = built(tmp_path, solver=recorded, threads=1, progress=heard.append)
    assert first > 0 < rest
    assert first + rest == len(SOLVED)
    assert resumed == whole
    SOLVED.clear()
    heard_again: list[int] = []
    assert built(tmp_path, solver=recorded, threads=1, store=store, progress=heard_again.append) == whole
    assert SOLVED == []
    assert sum(heard_again) == sum(heard)
    assert whole.replace(b"recorded", b"sparsest") != alone  # another hash, as the solver's name is in the record


def test_what_one_engine_finished_another_reads(alone, tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(Interrupted):
        built(tmp_path, engine=Ray(cpus=2), store=tmp_path / "store", progress=stop_after(300))
    assert 1 <= len(list((tmp_path / "store").iterdir())) <= 2
    assert built(tmp_path, threads=1, store=tmp_path / "store") == alone


def layer(**changes):
    weight = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    bias = np.linspace(-0.5, 0.5, 6, dtype=np.float32)
    return replace(TargetLayer("fc", weight, bias, relu=True, signed=True, tolerance=0.01), **changes)


def recipe(**changes):
    return replace(Recipe(Graph((), (), (5,)), Source(3), sparsest, threads=1), **changes)


def stored(folder, build=build_pair, **changes):
    return FinishedLayers(folder, build, recipe(**changes))


@pytest.fixture
def saved(tmp_path):
    """A folder with one finished layer, and that layer."""
    done = build_pair(layer(), recipe())
    stored(tmp_path).save(layer(), done)
    return stored(tmp_path), done


def loaded(store, of=None):
    return store.load(layer() if of is None else of)


def test_a_layer_is_read_as_it_was_written(saved):
    store, done = saved
    found = loaded(store)
    assert found is not None
    for name in ("edges", "targets", "zeroed", "signed", "failures", "misses"):
        assert getattr(found, name) == getattr(done, name)
    np.testing.assert_array_equal(found.errors, done.errors)
    assert found.errors.dtype == np.float32
    assert list(found.tensors) == list(done.tensors)
    for name, tensor in done.tensors.items():
        other = found.tensors[name]
        assert (other.law, other.transposed, type(other.mask)) == (tensor.law, tensor.transposed, type(tensor.mask))
        part = "owner" if hasattr(tensor.mask, "owner") else "packed"
        np.testing.assert_array_equal(getattr(other.mask, part), getattr(tensor.mask, part))


def test_misses_are_kept(tmp_path):
    miss = Miss("fc", 2, 5, -1, 0.1)
    stored(tmp_path).save(layer(), replace(build_pair(layer(), recipe()), failures=1, misses=[miss]))
    found = loaded(stored(tmp_path))
    assert found is not None
    assert (found.failures, found.misses) == (1, [miss])


CHANGES = {
    "name": {"name": "fc2"},
    "weight": {"weight": np.zeros((6, 5), np.float32)},
    "shape": {"weight": layer().weight.reshape(5, 6)},
    "bias": {"bias": np.zeros(6, np.float32)},
    "no bias": {"bias": None},
    "relu": {"relu": False},
    "signs": {"signed": False},
    "tolerance": {"tolerance": np.nextafter(0.01, 1)},
    "taps": {"taps": 2},
    "bias tap": {"taps": 2, "bias_tap": 1},
}
OTHERS = {
    "seed": {"source": Source(4)},
    "generation": {"source": Source(3, 1)},
    "solver": {"solver": nearest},
    "construction": {"build": build_copies},
    "activation": {"parent": Parent(RELU, law="normal")},
    "law": {"parent": Parent(law="signed_constant")},
    "biases": {"parent": Parent(biases=False)},
}


def test_everything_that_a_layer_depends_on_is_in_its_name(tmp_path, monkeypatch):
    store = stored(tmp_path)
    paths = [store.path(layer()), *(store.path(layer(**change)) for change in CHANGES.values())]
    paths += [stored(tmp_path, **change).path(layer()) for change in OTHERS.values()]
    assert len(set(paths)) == len(paths)
    assert store.path(layer()) == paths[0]
    monkeypatch.setattr("tombola.strong._finished_layers.__version__", "99")
    assert store.path(layer()) not in paths


@pytest.mark.parametrize("change", OTHERS)
def test_a_layer_of_another_construction_is_not_read(saved, tmp_path, change):
    assert loaded(stored(tmp_path, **OTHERS[change])) is None


@pytest.mark.parametrize("position", [0, 4, 20, 300, -200, -1])
def test_a_damaged_file_is_not_read(saved, position):
    store, _ = saved
    path = store.path(layer())
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert loaded(store) is None


@pytest.mark.parametrize("content", [b"", b"nothing of ours", b"\x80\x04}."])
def test_a_foreign_file_is_not_read_and_makes_way(saved, content):
    store, done = saved
    store.path(layer()).write_bytes(content)
    assert loaded(store) is None
    store.save(layer(), done)
    assert loaded(store) is not None


def test_a_cut_file_is_not_read(saved):
    store, _ = saved
    path = store.path(layer())
    path.write_bytes(path.read_bytes()[:-1])
    assert loaded(store) is None


def test_a_file_under_the_name_of_another_layer_is_not_read(saved):
    store, _ = saved
    other = layer(tolerance=0.02)
    store.path(layer()).rename(store.path(other))
    assert loaded(store, other) is None


def test_damage_is_mended_by_building_again(alone, tmp_path):
    store = tmp_path / "store"
    built(tmp_path, threads=1, store=store)
    files = sorted(store.iterdir())
    assert len(files) == 3
    contents = [path.read_bytes() for path in files]
    files[1].write_bytes(contents[1][: len(contents[1]) // 2])
    assert built(tmp_path, threads=1, store=store) == alone
    assert [path.read_bytes() for path in files] == contents


def test_nothing_in_a_file_is_a_program(saved):
    store, _ = saved
    content = store.path(layer()).read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + length])["__metadata__"]["format"] == "tombola-layer/1"


@pytest.mark.parametrize("solver", [functools.partial(sparsest, ()), lambda *_, **__: None], ids=["partial", "lambda"])
def test_a_solver_without_a_name_of_its_own_cannot_be_kept(tmp_path, solver):
    with pytest.raises(ValueError, match="has none of its own"):
        stored(tmp_path, solver=solver)


def test_functions_are_known_by_where_they_are_and_by_their_settings():
    assert import_name(recorded).endswith("test_finished_layers.recorded")
    assert import_name(functools.partial(recorded, k=2)) == f'{import_name(recorded)} {{"k": 2}}'


@pytest.mark.parametrize("workers", [Workers(engine=Ray()), Workers(store=None)])
def test_layers_that_depend_on_each_other_stay_in_this_process(tmp_path, workers):
    workers = workers if isinstance(workers.engine, Ray) else replace(workers, store=tmp_path)
    with pytest.raises(ValueError, match="works in this process"):
        construct(target(), EXAMPLE, construction=one_extra, workers=workers)


def test_two_layer_is_the_default():
    assert construct(target(), EXAMPLE).record["options"]["construction"] == two_layer.__name__


def test_layers_of_another_parent_are_resumed_with_its_activation(tmp_path):
    parent = recipe(parent=Parent(activation("tanh")))
    whole = gated_pair(layer(), parent)
    for _ in range(2):
        (found,) = build_layers(gated_pair, [layer()], replace(parent, store=tmp_path))
        assert [vars(stage) for stage in found.stages] == [vars(stage) for stage in whole.stages]
        np.testing.assert_array_equal(found.errors, whole.errors)
    assert len(list(tmp_path.iterdir())) == 1
