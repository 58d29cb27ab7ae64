import itertools

import numpy as np
import pytest

from fmkeras.seeds import STREAMS, random_generator, stream_seed

# Written down: another NumPy, Python or machine must not change a split.
EXPECTED = [111, 560, 578]


def test_a_stream_gives_the_same_numbers_again():
    first = random_generator("order", 3, 1).permutation(100)
    assert (random_generator("order", 3, 1).permutation(100) == first).all()
    assert stream_seed("split", 0) % 2**64 == 17807341776456026674
    assert random_generator("split", 0).integers(1000, size=3).tolist() == EXPECTED


def test_no_two_streams_share_numbers():
    keys = itertools.product(STREAMS, (0, 1, 12), ((), (0,), (1,), (0, 0), (2,), (12,)))
    drawn = [
        random_generator(stream, seed, *indices).bytes(16)
        for stream, seed, indices in keys
    ]
    assert len(set(drawn)) == len(drawn)
    # NumPy's own keys fail this, which is why the streams have names.
    a, b = np.random.default_rng((5, 2)), np.random.default_rng((5, 2, 0))
    assert a.bytes(16) == b.bytes(16)


@pytest.mark.parametrize("key", [("mischief", 0), ("order", -1), ("order", 0, -1)])
def test_a_bad_key_is_refused(key):
    with pytest.raises(ValueError, match="Received"):
        random_generator(*key)
