"""The same images on every backend: each is compared with plain numpy."""

import keras
import numpy as np
import pytest

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines import create_engine
from fmkeras.errors import UserError
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_augmentation, build_loss

pytestmark = pytest.mark.every_backend

ALL = Augmentation(crop_padding=3, flip=True, erasing=0.5)


def some_images(count=40):
    return np.random.default_rng(0).integers(1, 256, (count, 28, 28), np.uint8)


def batch_of(augmentation, images, params, targets=None):
    """Return images and targets as they are trained on, as arrays."""
    engine = create_engine(build_model("linear"), augmentation=augmentation)
    targets = np.eye(10, dtype=np.float32)[:1] if targets is None else targets
    tensors = [keras.ops.convert_to_tensor(x) for x in (images, targets, params)]
    return [keras.ops.convert_to_numpy(x) for x in engine.augmented(*tensors)]


def applied(augmentation, images, params):
    return batch_of(augmentation, images, params)[0]


def expected(images, params):
    """The whole-pixel case in plain loops."""
    out = np.zeros(images.shape, np.float32)
    for number, draw in enumerate(params):
        _, _, y0, _, xx, x0, top, left, bottom, right, value = draw[:11]
        for y in range(28):
            for x in range(28):
                row, column = int(y + y0), int(xx * x + x0)
                if 0 <= row < 28 and 0 <= column < 28:
                    out[number, y, x] = images[number, row, column]
                if top <= y < bottom and left <= x < right:
                    out[number, y, x] = value
    return out


def batch_by_hand(images, labels, params):
    """Images and targets of a batch with all but the turns, in numpy."""
    changed = expected(images, params)
    targets = np.eye(10, dtype=np.float32)[labels]
    if params.shape[1] == 11:
        return changed, targets
    changed = expected_squares(changed, params[:, 11:16])
    share = params[:, 16, None, None] * np.ones_like(changed)
    for number, (top, left, bottom, right) in enumerate(params[:, 17:].astype(int)):
        if bottom > top and right > left:
            share[number] = 1
            share[number, top:bottom, left:right] = 0
    own = params[:, 16:17]
    mixed = share * changed + (1 - share) * np.roll(changed, 1, axis=0)
    return mixed, own * targets + (1 - own) * np.roll(targets, 1, axis=0)


def expected_squares(images, squares):
    out = images.copy()
    for image, (top, left, bottom, right, value) in zip(out, squares, strict=True):
        image[int(top) : int(bottom), int(left) : int(right)] = value
    return out


def test_images_are_moved_mirrored_and_painted_over_alike():
    images = some_images()
    params = ALL.draw(len(images), seed=1, epoch=2)
    np.testing.assert_array_equal(
        applied(ALL, images, params), expected(images, params)
    )


def test_erasing_alone():
    images = some_images()
    augmentation = Augmentation(erasing=1.0)
    params = augmentation.draw(len(images), 0, 0)
    changed = applied(augmentation, images, params)
    np.testing.assert_array_equal(changed, expected(images, params))
    share = (changed != images).mean(axis=(1, 2))
    assert share.min() > 0 and 0.1 < share.mean() < 0.35


@pytest.mark.parametrize(("fill", "value"), [("zero", 0.0), ("mean", 72.93)])
def test_cutout_erases_a_square_around_any_pixel(fill, value):
    images = some_images(400)
    augmentation = Augmentation(cutout=8, cutout_fill=fill)
    params = augmentation.draw(len(images), 0, 0)
    changed = applied(augmentation, images, params)
    for image, one, (top, left, bottom, right, _) in zip(
        images, changed, params[:, 11:16].astype(int), strict=True
    ):
        by_hand = image.astype(np.float32)
        by_hand[top:bottom, left:right] = value
        np.testing.assert_allclose(one, by_hand)
    heights = params[:, 13] - params[:, 11]
    assert heights.min() == 4 and heights.max() == 8
    # Around one of the 21 rows that are far enough from the border.
    assert (heights == 8).mean() == pytest.approx(21 / 28, abs=0.07)


def test_mixup_mixes_images_and_labels_by_the_same_share():
    images = some_images(30)
    targets = np.eye(10, dtype=np.float32)[np.arange(30) % 10]
    augmentation = Augmentation(mixup=0.4)
    params = augmentation.draw(30, 1, 0)
    mixed, labels = batch_of(augmentation, images, params, targets)
    share = params[:, -5]
    assert 0 <= share.min() < 0.2 and 0.8 < share.max() <= 1
    for number in range(30):
        own = share[number]
        other = 1 - own
        np.testing.assert_allclose(
            mixed[number], own * images[number] + other * images[number - 1], atol=0.01
        )
        np.testing.assert_allclose(
            labels[number], own * targets[number] + other * targets[number - 1]
        )


def test_cutmix_takes_a_rectangle_and_so_much_of_the_label():
    images = some_images(60)
    targets = np.eye(10, dtype=np.float32)[np.arange(60) % 10]
    augmentation = Augmentation(cutmix=1.0)
    params = augmentation.draw(60, 1, 0)
    mixed, labels = batch_of(augmentation, images, params, targets)
    for number, (top, left, bottom, right) in enumerate(params[:, -4:].astype(int)):
        by_hand = images[number].astype(np.float32)
        by_hand[top:bottom, left:right] = images[number - 1, top:bottom, left:right]
        np.testing.assert_allclose(mixed[number], by_hand)
        other = (bottom - top) * (right - left) / 784
        assert labels[number, number % 10] == pytest.approx(1 - other, abs=1e-6)
        assert labels[number, (number - 1) % 10] == pytest.approx(other, abs=1e-6)
    assert labels.min() < 0.2 and labels.max() > 0.9


def test_with_mixup_and_cutmix_each_image_gets_one_of_them():
    params = Augmentation(mixup=1.0, cutmix=1.0).draw(4_000, 0, 0)
    cut = (params[:, -2] > params[:, -4]) & (params[:, -1] > params[:, -3])
    assert 0.4 < cut.mean() < 0.5  # some rectangles are empty


def test_a_turned_image_agrees_with_scipy():
    from scipy.ndimage import affine_transform

    images = some_images(6)
    augmentation = Augmentation(rotation=20.0, flip=True, crop_padding=2)
    params = augmentation.draw(len(images), 3, 0)
    changed = applied(augmentation, images, params)
    for image, draw, one in zip(images, params, changed, strict=True):
        yy, yx, y0, xy, xx, x0 = draw[:6].astype(float)
        # Zeros around, so that a border pixel fades out in both.
        wide = np.pad(image.astype(float), 3)
        matrix = [[yy, yx], [xy, xx]]
        other = affine_transform(wide, matrix, (y0 + 3, x0 + 3), (28, 28), order=1)
        np.testing.assert_allclose(one, other, atol=0.01)


def test_a_right_angle_is_a_turn():
    image = some_images(1)
    augmentation = Augmentation(rotation=180.0)
    params = augmentation.draw(1, 0, 0)
    # A quarter: the value of (y, x) comes from (x, 27 - y).
    params[0, :6] = (0, 1, 0, -1, 0, 27)
    changed = applied(augmentation, image, params)
    np.testing.assert_allclose(changed[0], np.rot90(image[0]), atol=0.01)


def test_draws_depend_on_seed_and_epoch_alone():
    params = ALL.draw(50, 0, 1)
    np.testing.assert_array_equal(params, ALL.draw(50, 0, 1))
    assert not np.array_equal(params, ALL.draw(50, 0, 2))
    assert not np.array_equal(params, ALL.draw(50, 1, 1))
    assert Augmentation().draw(50, 0, 0).shape == (50, 0)


def test_draws_are_spread_as_the_settings_say():
    params = ALL.draw(20_000, 0, 0)
    mirrored = params[:, 4] < 0
    assert mirrored.mean() == pytest.approx(0.5, abs=0.02)
    shifts = params[:, 2]
    assert sorted(set(shifts)) == [-3, -2, -1, 0, 1, 2, 3]
    assert np.unique(shifts, return_counts=True)[1].min() > 20_000 / 7 * 0.9
    painted = params[:, 8] > params[:, 6]
    assert painted.mean() == pytest.approx(0.5, abs=0.02)
    assert params[:, 6:10].min() >= 0 and params[:, 6:10].max() <= 28


@pytest.mark.parametrize("further", [{}, {"cutout": 9, "mixup": 0.5, "cutmix": 1.0}])
def test_the_compiled_step_trains_on_the_changed_images(further):
    recipe = Recipe(optimizer="sgd", crop_padding=2, flip=True, erasing=0.5, **further)
    augmentation = build_augmentation(recipe)
    rng = np.random.default_rng(0)
    part = Subset(some_images(50), rng.integers(0, 10, 50))
    model = build_model("mlp", seed=0)
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    engine = create_engine(
        model,
        keras.optimizers.SGD(0.01),
        build_loss(recipe),
        augmentation=augmentation,
    )
    history = engine.fit(part, epochs=2, batch_size=16, seed=5)
    other.compile(keras.optimizers.SGD(0.01), build_loss(recipe))
    losses = []
    for epoch in range(2):
        order = epoch_order(50, 5, epoch)
        params = augmentation.draw(50, 5, epoch)
        total = 0.0
        for start in range(0, 50, 16):
            batch = slice(start, start + 16)
            images, targets = batch_by_hand(
                part.images[order[batch]], part.labels[order[batch]], params[batch]
            )
            loss = other.train_on_batch(images[..., None], targets)
            total += float(np.ravel(loss)[0]) * len(targets)
            other.reset_metrics()
        losses.append(total / 50)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)


def test_what_an_augmentation_cannot_do_is_said():
    images = np.zeros((2, 28, 28), np.uint8)
    for change in ({"mixup": 1.0}, {"cutmix": 0.5}):
        with pytest.raises(UserError, match="Mixed images need their labels"):
            Augmentation(**change).augment(images, 0)
        assert (Augmentation(**change).unmixed().augment(images, 0) == images).all()
    with pytest.raises(UserError, match="Bad images; expected uint8 .n, 28, 28."):
        Augmentation(flip=True).augment(images[..., None], 0)
    with pytest.raises(UserError, match="Bad crop_padding; expected a number from 0"):
        Augmentation(crop_padding=-2)
    with pytest.raises(UserError, match="Bad cutout_fill"):
        Augmentation(cutout=4, cutout_fill="black")
