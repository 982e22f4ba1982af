"""Philox4x32-10 against the known answers of Random123, in each of the three implementations."""

import numpy as np
import pytest
import torch

from tombola._reference import reference_words
from tombola.random_source._philox import fill_words, philox
from tombola.random_source._torch import words_on_device

PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (PI, (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert philox(*(np.uint32(word) for word in (*counter, *key))) == words


def compiled(key, rows, counters, generation):
    table = np.empty((len(rows), 4 * len(counters)), np.uint32)
    for row, words in zip(rows, table, strict=True):
        for place, counter in enumerate(counters):
            fill_words(np.array(key, np.uint32), np.uint32(row), counter, np.uint32(generation), words[4 * place :][:4])
    return table.astype(np.int64)


def on_device(key, rows, counters, generation, device="cpu"):
    return words_on_device(key, torch.tensor(rows, device=device), torch.tensor(counters, device=device), generation)


def by_reference(key, rows, counters, generation):
    columns = (4 * np.array(counters)[:, None] + np.arange(4)).ravel()
    return reference_words(key, np.array(rows)[:, None], columns[None, :], generation).astype(np.int64)


# A counter is (column // 4, row, generation, 0): of the published vectors only that of zeros has this form.
def test_a_counter_of_zeros_gives_the_first_known_answer_in_all_three():
    for words in (compiled, on_device, by_reference):
        np.testing.assert_array_equal(words((0, 0), [0], [0], 0), [list(KNOWN[0][2])])


ROWS, COUNTERS = [0, 1, 7, 2**31, 2**32 - 1], [0, 3, 2**16, 2**32 - 1]


@pytest.mark.parametrize("key", [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0xA4093822, 0x299F31D0)])
@pytest.mark.parametrize("generation", [0, 1, 2**32 - 1])
def test_the_three_implementations_agree_at_extreme_addresses(key, generation):
    wanted = np.array(
        [
            [
                word
                for counter in COUNTERS
                for word in philox(*(np.uint32(part) for part in (counter, row, generation, 0, *key)))
            ]
            for row in ROWS
        ]
    )
    for words in (compiled, on_device, by_reference):
        np.testing.assert_array_equal(words(key, ROWS, COUNTERS, generation), wanted)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_words():
    arguments = (0xA4093822, 0x299F31D0), ROWS, COUNTERS, 5
    np.testing.assert_array_equal(on_device(*arguments, device="cuda").cpu(), compiled(*arguments))
