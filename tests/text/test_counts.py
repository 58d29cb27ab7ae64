from fmkeras.text.counts import counted


def test_one_is_singular():
    assert counted(1, "picture") == "1 picture"
    assert counted(0, "class", "classes") == "0 classes"
    assert counted(1_200, "picture") == "1,200 pictures"
