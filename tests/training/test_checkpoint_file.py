import numpy as np
import pytest

from fmkeras.training.checkpoint_file import (
    DamagedCheckpoint,
    previous_path,
    read_checkpoint,
    write_checkpoint,
)

ARRAYS = {"a": np.arange(300, dtype=np.float32), "b": np.eye(3)}


def state_of(epoch):
    return {"epochs_done": epoch, "kept_epoch": 1, "history": [], "per_class": []}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, state_of(1), ARRAYS)
    return path


def test_a_checkpoint_comes_back_and_the_one_before_stays(path):
    write_checkpoint(path, state_of(2), ARRAYS)
    for place, epoch in ((path, 2), (previous_path(path), 1)):
        state, arrays = read_checkpoint(place)
        assert state == state_of(epoch)
        assert all((arrays[name] == ARRAYS[name]).all() for name in ARRAYS)
    assert len(list(path.parent.iterdir())) == 2
    # Other programs can open it: it is an .npz archive.
    with np.load(path) as archive:
        assert set(archive.files) == {"state", "a", "b"}


def test_every_flipped_bit_is_seen(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1 << place % 8
        path.write_bytes(altered)
        with pytest.raises(DamagedCheckpoint):
            read_checkpoint(path)


def test_every_cut_is_seen(path):
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedCheckpoint):
            read_checkpoint(path)
    path.unlink()
    with pytest.raises(DamagedCheckpoint, match="No such file"):
        read_checkpoint(path)
    path.mkdir()
    with pytest.raises(DamagedCheckpoint, match="Is a directory"):
        read_checkpoint(path)
