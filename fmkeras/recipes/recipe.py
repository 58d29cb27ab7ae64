"""A recipe: how a network is trained, as plain data."""

import dataclasses
from dataclasses import dataclass

from fmkeras.errors import UserError, shown_value

OPTIMIZERS = ("adam", "adamw", "muon", "ranger21", "rmsprop", "sgd")
# Their weight decay is decoupled from the gradient.
DECOUPLED = ("adamw", "muon", "ranger21", "sgd")
SCHEDULES = ("constant", "cosine", "linear", "step")
CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "cutout_fill": ("zero", "mean"),
    "mode": ("fixed", "reference"),
    "preprocessing": ("scale", "standardise", "symmetric"),
    "init": ("keras", "torch"),
    "keep": ("best", "last"),
    "data_split": ("holdout", "random", "full", "fashionnet"),
    "precision": ("auto", "float32", "bfloat16", "bfloat16-if-native"),
    "compile": ("auto", "yes", "no"),
    "class_weights": ("none", "balanced"),
}

# Of epochs, and of images a step.
MOST = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run; a bad one raises `UserError`.

    Attributes:
        name: what the recipe is called.
        epochs: passes over the training images.
        batch_size: images a step; a last, shorter batch is trained on too.
        optimizer: adam, adamw and rmsprop, as PyTorch computes them; muon (for kernels;
            SGD for other weights); ranger21 (which brings a schedule of its own); or
            sgd, Keras's (Nesterov where momentum is above zero; its momentum holds the
            rate, PyTorch's does not, which differs where the rate changes).
        mode: of ranger21: fixed, or reference for the package `ranger21` 0.1.0 with
            its faults.
        learning_rate: at its highest.
        schedule: constant; cosine or linear, down to zero at the end; or step.
        warmup_epochs: the learning rate rises linearly over these, at most half of all.
        step_epochs: the step schedule multiplies by `step_factor` every so often.
        step_factor: see `step_epochs`.
        weight_decay: decoupled from the gradient; for adamw, muon, ranger21 and sgd;
            as a flag of sgd, adam and rmsprop it sets `l2`, as PyTorch means it.
        l2: added to the gradient as l2 * weight, as PyTorch's Adam, RMSprop and SGD
            mean `weight_decay`.
        momentum: of sgd and muon.
        muon_others_rate: the learning rate of the weights that muon leaves to SGD, as
            a multiple of `learning_rate`.
        centralise_gradients: subtract from the gradient of each kernel its mean over
            the inputs of each output.
        norm_bias_rate: the learning rate of the offsets of batch normalisation, as a
            multiple of that of other weights; for sgd and muon.
        amsgrad: of adam and adamw.
        label_smoothing: the share of each target spread over all classes.
        clip_norm: the largest norm of all gradients together; 0 for no limit.
        ema: the momentum of a moving average of the weights, which is measured and
            kept in their place; 0 for none.
        swa_epochs: the mean of the weights at the ends of the last so many epochs is
            measured and kept in their place; 0 for none.
        crop_padding: each training image is translated by up to so many pixels in each
            direction, zeros moving in: padding, then a random crop.
        flip: training images are flipped, left to right, a `flip_share` of them.
        flip_share: see `flip`.
        rotation: each training image is rotated by up to so many degrees either way.
        erasing: the share of training images in which a random rectangle is
            erased.
        cutout: a square of so many pixels a side is erased from each training image,
            where it reaches over the border less; 0 for none.
        cutout_fill: what the square is filled with, zero (black) or mean (that of the
            training pixels).
        mixup: each training image and its label are mixed with another's, by a share
            from a Beta distribution with this alpha; 0 for none.
        cutmix: a rectangle of each training image comes from another, and so much of
            its label, by a Beta distribution with this alpha; 0 for none.
        teacher: a .keras file, or a name in saved_models, to learn from besides the
            labels; empty for none.
        temperature: both outputs are divided by it for the teacher's part of the loss.
        distillation_share: the teacher's part of the loss.
        shuffle: each epoch takes the training images in another order; off, in that of
            the file.
        double_softmax: a fault of one source: the loss takes the softmax of the
            logits for logits, and so a softmax of a softmax.
        freeze_after: a fault of one source: after so many epochs dropout is off, and
            batch normalisation uses its moving averages unchanged; 0 for never.
        preprocessing: scale (pixels / 255, 0 to 1), standardise (mean 0, deviation 1)
            or symmetric (-1 to 1).
        init: keras (Glorot uniform) or torch (PyTorch's default).
        keep: the weights of the best epoch by validation accuracy, or of the last.
        data_split: holdout sets 5,000 training images aside for validation, random
            10,000, not stratified; full trains on all; fashionnet trains on all and
            divides the test images at random, 6,000 for validation and 4,000 for the
            test.
        test_each_epoch: the test images are measured after each epoch too, as some
            sources do; only where no epoch is chosen.
        early_stopping: training ends after so many epochs without a better validation
            accuracy; 0 for never. Schedules are planned for all epochs all the same.
        class_weights: balanced gives each class the same weight in the loss of
            training, however many images it has; or none.
        precision: auto, float32, bfloat16, or bfloat16-if-native: bfloat16 where the
            device has hardware for it, else float32 (weights stay in float32).
        compile: whether a compiler works on the training step first: auto, yes or no.
    """

    name: str = "custom"
    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adam"
    mode: str = "fixed"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    step_epochs: int = 25
    step_factor: float = 0.1
    weight_decay: float = 0.0
    l2: float = 0.0
    momentum: float = 0.9
    muon_others_rate: float = 1.0
    centralise_gradients: bool = False
    norm_bias_rate: float = 1.0
    amsgrad: bool = False
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    swa_epochs: int = 0
    crop_padding: int = 0
    flip: bool = False
    flip_share: float = 0.5
    rotation: float = 0.0
    erasing: float = 0.0
    cutout: int = 0
    cutout_fill: str = "mean"
    mixup: float = 0.0
    cutmix: float = 0.0
    teacher: str = ""
    temperature: float = 4.0
    distillation_share: float = 0.9
    shuffle: bool = True
    double_softmax: bool = False
    freeze_after: int = 0
    preprocessing: str = "scale"
    init: str = "keras"
    keep: str = "best"
    data_split: str = "holdout"
    test_each_epoch: bool = False
    early_stopping: int = 0
    class_weights: str = "none"
    precision: str = "auto"
    compile: str = "auto"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_type(field.name, field.type)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise self._error(name, "one of " + ", ".join(choices))
        self._check_ranges()
        self._check_combinations()

    def warmup_steps(self, steps_per_epoch: int) -> int:
        """Return the steps of the warm-up.

        A training of one epoch would otherwise end before the rate is reached.
        """
        return round(min(self.warmup_epochs, self.epochs / 2) * steps_per_epoch)

    def _check_ranges(self) -> None:
        for name in ("epochs", "batch_size", "step_epochs"):
            if not 1 <= getattr(self, name) <= MOST:
                raise self._error(name, f"a whole number from 1 to {MOST:,}")
        if not 0 < self.learning_rate < float("inf"):
            raise self._error("learning_rate", "a number above 0")
        for name in ("muon_others_rate", "norm_bias_rate", "temperature"):
            if not 0 < getattr(self, name) < float("inf"):
                raise self._error(name, "a number above 0")
        if not 0 <= self.warmup_epochs <= MOST:
            raise self._error("warmup_epochs", f"a number from 0 to {MOST:,}")
        for name in (
            "weight_decay",
            "l2",
            "clip_norm",
            "mixup",
            "cutmix",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise self._error(name, "a number of at least 0")
        for name in ("momentum", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise self._error(name, "a number from 0 up to, not including, 1")
        for name in ("erasing", "distillation_share", "flip_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise self._error(name, "a number from 0 to 1")
        if not 0 <= self.cutout <= 28:
            raise self._error("cutout", "a whole number from 0 to 28")
        if not 0 <= self.swa_epochs <= self.epochs:
            raise self._error("swa_epochs", f"a whole number from 0 to {self.epochs}")
        for name in ("freeze_after", "early_stopping"):
            if not 0 <= getattr(self, name) <= MOST:
                raise self._error(name, f"a whole number from 0 to {MOST:,}")
        if not 0 <= self.crop_padding <= 14:
            raise self._error("crop_padding", "a whole number from 0 to 14")
        if not 0 <= self.rotation <= 180:
            raise self._error("rotation", "a number from 0 to 180")
        if not 0 < self.step_factor <= 1:
            raise self._error("step_factor", "a number above 0, at most 1")

    def _check_combinations(self) -> None:
        if self.early_stopping and (self.data_split == "full" or self.swa_epochs):
            raise UserError(
                "early_stopping goes by the validation images and may leave out the "
                "last epochs; expected it without data_split full and without "
                f"swa_epochs. Received: {self.data_split}, {self.swa_epochs}"
            )
        if self.weight_decay and self.optimizer not in DECOUPLED:
            raise UserError(
                "weight_decay is decoupled from the gradient and goes with adamw, "
                "muon, ranger21 and sgd; expected 0, or l2 in its place, for "
                f"{self.optimizer}. Received: {self.weight_decay}"
            )
        if self.norm_bias_rate != 1 and self.optimizer not in ("muon", "sgd"):
            raise UserError(
                "norm_bias_rate goes with muon and sgd, for the others take no notice "
                f"of the size of a gradient; expected 1 for {self.optimizer}. "
                f"Received: {self.norm_bias_rate}"
            )
        if self.swa_epochs and self.ema:
            raise UserError(
                "swa_epochs and ema each put an average in place of the weights; "
                f"expected one of them. Received: {self.swa_epochs}, {self.ema}"
            )
        if self.optimizer == "ranger21" and (
            self.schedule != "constant" or self.warmup_epochs
        ):
            raise UserError(
                "ranger21 brings a schedule of its own; expected schedule constant and "
                f"warmup_epochs 0. Received: {self.schedule}, {self.warmup_epochs}"
            )
        if self.test_each_epoch and self.keep == "best":
            raise UserError(
                "Test figures after each epoch go with weights that no figure chooses; "
                "expected keep last. Received: best"
            )
        if self.data_split == "full" and self.keep == "best":
            raise UserError(
                "With data_split full there is nothing to choose the best epoch by; "
                "expected keep last. Received: best"
            )

    @property
    def follows_epochs(self) -> bool:
        """Whether its first epochs are other ones where there are more of them."""
        schedule = self.schedule in ("cosine", "linear")
        return schedule or self.swa_epochs > 0 or self.optimizer == "ranger21"

    def replace(self, **changes) -> "Recipe":
        """Return a copy with some fields changed; its name says that it was."""
        changes = {k: v for k, v in changes.items() if getattr(self, k) != v}
        if changes and "name" not in changes and not self.name.endswith("+"):
            changes["name"] = self.name + "+"
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict:
        """Return the fields as JSON knows them."""
        return dataclasses.asdict(self)

    def _check_type(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        kinds = (int, float) if kind is float else kind
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise self._error(name, f"a value of type {kind.__name__}")

    def _error(self, name: str, expected: str) -> UserError:
        received = shown_value(getattr(self, name))
        return UserError(f"Bad {name}; expected {expected}. Received: {received}")
