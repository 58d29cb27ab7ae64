"""Ranger21 for Keras 3 on any backend; this file needs nothing but Keras.

Wright and Demeure, "Ranger21: a synergistic deep learning optimizer", arXiv
2106.13731. It follows the authors' package `ranger21` 0.1.0; where that package does
not do what it sets out to, `mode` chooses, and the place says so.
"""

import math
import re

import keras
from keras import ops

DEVIATION_EPSILON = 1e-8  # added to a gradient's standard deviation
AUTOMATIC_WARM_UP_SHARE = 0.22  # of all steps, where the run is short
LONGEST_WARM_UP_SHARE = 0.45  # a longer warm-up makes the run a short one


@keras.saving.register_keras_serializable(package="fmkeras")
class Ranger21(keras.optimizers.Optimizer):
    """AdamW's step with Ranger21's eight additions and its own learning rate plan.

    Each step: adaptive gradient clipping, centralisation and normalisation of the
    gradients, decay scaled by the root mean square of all second moments, norm loss,
    softplus under the step, positive-negative momentum, look-ahead, and a linear
    warm-up and warm-down of the learning rate.

    `mode="fixed"` (the default) differs from `mode="reference"` in three places:
    decay and norm loss reach every weight (the reference: the last one only), the
    momentum's normaliser is made of its own factor (the reference: of beta_2), and
    the norm of a kernel with three axes is taken for each output unit (the
    reference: over the inputs alone). The package's counters are missing from its
    saved state; here all state is in the optimizer's variables, in both modes.

    The last axis of a kernel is its output units; see `depthwise_pattern`. Mind
    that a unit with one input has a centralised gradient of zero and never learns,
    and that an Embedding's gradient is centralised down its columns, while PyTorch,
    whose first axis is the words, does so along its rows.

    Args:
        learning_rate: float, schedule or callable: what warm-up and warm-down start
            from. It may change during the run; the plan scales what it finds (the
            reference's warm-down keeps to the first value).
        total_steps: updates in the whole run, which warm-up and warm-down are laid
            over; may be None if both are off.
        mode: "fixed" or "reference".
        beta_1, beta_2: memory of the momentum and of the second moments.
        epsilon: added to the second moment's root and to norms that divide.
        weight_decay: None or 0 for none. `exclude_from_weight_decay` is honoured.
        norm_loss: pull of each unit's norm towards 1; None or 0 for none.
        agc_factor: largest gradient norm allowed, as a share of the weight's norm;
            None or 0 for no clipping.
        agc_epsilon: the least that a weight's norm counts for in the clipping.
        softplus_beta: sharpness of the softplus; None or 0 for none.
        negative_momentum: weight of the negative momentum; 1 in the reference.
        amsgrad: divide by the largest second moment so far. The reference means to
            but compares with a buffer that stays zero, which has no effect; so off
            is what it does, and the default.
        lookahead_steps: merge with the slow weights every so many steps; None or 0
            for never.
        lookahead_alpha: share of the fast weights in the merge.
        warm_up_steps: None for 2 / (1 - beta_2), or 22 % of `total_steps` if that is
            over 45 % of them; 0 for no warm-up.
        warm_down_start: the share of `total_steps` after which the rate goes down;
            None for never.
        minimum_learning_rate: where the warm-down ends; it never goes below.
        depthwise_pattern: regular expression, searched in the path of a kernel with
            three or more axes; where found, the last two axes are the units.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps,
            name: as in every Keras optimizer.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        total_steps=None,
        mode="fixed",
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=1e-4,
        norm_loss=1e-4,
        agc_factor=1e-2,
        agc_epsilon=1e-3,
        softplus_beta=50.0,
        negative_momentum=1.0,
        amsgrad=False,
        lookahead_steps=5,
        lookahead_alpha=0.5,
        warm_up_steps=None,
        warm_down_start=0.72,
        minimum_learning_rate=3e-5,
        depthwise_pattern="depthwise(?!.*pointwise)",
        name="ranger21",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.total_steps = total_steps
        self.mode = mode
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.norm_loss = norm_loss
        self.agc_factor = agc_factor
        self.agc_epsilon = agc_epsilon
        self.softplus_beta = softplus_beta
        self.negative_momentum = negative_momentum
        self.amsgrad = amsgrad
        self.lookahead_steps = lookahead_steps
        self.lookahead_alpha = lookahead_alpha
        self.warm_up_steps = warm_up_steps
        self.warm_down_start = warm_down_start
        self.minimum_learning_rate = minimum_learning_rate
        self.depthwise_pattern = depthwise_pattern
        self._check_arguments()
        self._compute_dtype = "float32"

    def _check_arguments(self):
        def require(condition, expected, name):
            if not condition:
                value = getattr(self, name)
                raise ValueError(
                    f"`{name}` must be {expected}. Received: {name}={value!r}"
                )

        require(self.mode in ("fixed", "reference"), "'fixed' or 'reference'", "mode")
        for name in ("beta_1", "beta_2"):
            require(0 < getattr(self, name) < 1, "between 0 and 1", name)
        planned = self.warm_up_steps is None or self.warm_down_start is not None
        require(
            self.total_steps is None or self.total_steps >= 1,
            "1 or more",
            "total_steps",
        )
        require(
            not planned or self.total_steps is not None,
            "given (the updates in the whole run: epochs x batches), unless "
            "warm_up_steps=0 and warm_down_start=None",
            "total_steps",
        )
        require(
            self.warm_down_start is None or 0 <= self.warm_down_start <= 1,
            "None or between 0 and 1",
            "warm_down_start",
        )
        require(self.agc_epsilon > 0, "positive", "agc_epsilon")
        if self.mode == "reference":
            where = "in mode 'reference', which knows nothing else"
            require(self.negative_momentum == 1, f"1 {where}", "negative_momentum")
            require(not self.amsgrad, f"False {where}", "amsgrad")

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            # Rounded to bfloat16, the 1,000th step would not be counted and the
            # decay would not be felt: work in float32 at least, store as the weight.
            self._compute_dtype = keras.backend.result_type(
                self._compute_dtype, variable.dtype
            )
        self._decayed_momentums, self._momentums, self._second_moments = (
            self.add_optimizer_variables(
                variables, ["decayed_momentum", "momentum", "second_moment"]
            )
        )
        # The reference adds up all second moments anew in each step. Their sum obeys
        # the same recursion as each of them, which spares a pass over the weights.
        self._second_moment_sum = self.add_variable(
            (), dtype=self._compute_dtype, name="second_moment_sum"
        )
        if self.amsgrad:
            self._largest_moments = self.add_optimizer_variables(
                variables, "largest_second_moment"
            )
        if self.lookahead_steps:
            self._slow_weights = self.add_optimizer_variables(variables, "slow_weight")

    def scheduled_learning_rate(self, step, learning_rate=None):
        """Learning rate of the update `step`, from 1: a number or an array of them.

        `learning_rate` is what the plan scales, the optimizer's own if None.
        """
        if learning_rate is None:
            learning_rate = self.learning_rate
        step = ops.cast(step, self._compute_dtype)
        highest = ops.cast(learning_rate, self._compute_dtype)
        rate = highest
        warm_up = self._warm_up_length()
        if warm_up:
            rate = highest * ops.minimum(step / warm_up, 1.0)
        if self.warm_down_start is not None:
            # The package multiplies share x epochs x batches from left to right,
            # which can round to one step less than for the same total in one epoch.
            start = int(self.warm_down_start * self.total_steps)
            lowest = self.minimum_learning_rate
            left = ops.maximum(self.total_steps - step, 0.0)
            left = left / (self.total_steps - start + 1)
            lower = ops.maximum(highest * left + lowest * (1.0 - left), lowest)
            rate = ops.where(step < start, rate, lower)
        return rate

    def _warm_up_length(self):
        if self.warm_up_steps is not None:
            return self.warm_up_steps
        length = math.ceil(2 / (1 - self.beta_2))
        if length / self.total_steps > LONGEST_WARM_UP_SHARE:
            return int(AUTOMATIC_WARM_UP_SHARE * self.total_steps)
        return length

    def _apply_weight_decay(self, variables):
        """Keras's own decay is not wanted: ours depends on all gradients."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Update all weights: Keras calls this where it has all the gradients.

        What is one number for a weight is done for all weights at once, and what is
        one number for the step is done once: a small net is all overhead.
        """
        variables = trainable_variables
        # Under tf.distribute it is the method overridden here that adds up the
        # replicas' gradients; without it they would drift apart in silence.
        add_replicas = getattr(self, "_all_reduce_sum_gradients", None)
        if add_replicas:
            pairs = add_replicas(zip(grads, variables, strict=True))
            grads = [gradient for gradient, _ in pairs]
        count = ops.add(self.iterations, 1)
        step = ops.cast(count, self._compute_dtype)
        rate = self.scheduled_learning_rate(step, learning_rate)
        # 1 - beta ** step, without the digits that float32 would lose near 1
        unbias_1 = -ops.expm1(step * math.log(self.beta_1))
        unbias_2 = -ops.expm1(step * math.log(self.beta_2))

        weights = [ops.stop_gradient(self._tensor(variable)) for variable in variables]
        norms = [self._norm(w, v) for w, v in zip(weights, variables, strict=True)]
        prepared = [
            self._clip_and_centralise(self._tensor(gradient), norm, variable)
            for gradient, norm, variable in zip(grads, norms, variables, strict=True)
        ]
        directions, squares, sums, spreads = zip(*prepared, strict=True)
        factors, gains = self._normalisers(ops.stack(spreads), variables)
        squared_factors = ops.square(factors)
        moment_sum = self.beta_2 * self._tensor(self._second_moment_sum)
        moment_sum = moment_sum + (1 - self.beta_2) * ops.sum(
            ops.stack(sums) * squared_factors
        )
        self.assign(self._second_moment_sum, moment_sum)

        shares = ops.unstack((1 - self.beta_1**2) * factors * gains)
        scales = self._momentum_scales(rate, unbias_1)
        numerators = [
            self._update_momentums(variable, direction * share, *scales)
            for variable, direction, share in zip(
                variables, directions, shares, strict=True
            )
        ]
        shares = ops.unstack((1 - self.beta_2) * squared_factors)
        moments = [
            self._update_second_moment(variable, square * share)
            for variable, square, share in zip(variables, squares, shares, strict=True)
        ]
        changes = self._changes(numerators, moments, unbias_2)
        size = sum(math.prod(variable.shape) for variable in variables)
        sigma = ops.sqrt(moment_sum / (unbias_2 * size))
        shrinkages = self._shrinkages(variables, norms, rate, sigma)
        moved = [
            weight - change
            if shrinkage is None
            else weight - change - weight * shrinkage
            for weight, change, shrinkage in zip(
                weights, changes, shrinkages, strict=True
            )
        ]
        if self.lookahead_steps:
            moved = self._look_ahead(variables, weights, moved, count)
        for variable, value in zip(variables, moved, strict=True):
            self.assign(variable, value)

    def _clip_and_centralise(self, gradient, weight_norm, variable):
        """Return the gradient, its squares, their sum, and that about the mean."""
        if self.agc_factor:
            # The reference also keeps norms from 1e-6 down from dividing, which no
            # norm over its limit of 1e-5 or more can be.
            limit = ops.maximum(weight_norm, self.agc_epsilon) * self.agc_factor
            norm = self._norm(gradient, variable)
            gradient = gradient * (limit / ops.maximum(norm, limit))
        axes = self._unit_axes(variable)
        centred = gradient - ops.mean(gradient, axis=axes, keepdims=axes is not None)
        if axes is not None:
            square = ops.square(centred)
            spread = ops.sum(square)
            return centred, square, spread, spread
        square = ops.square(gradient)
        return gradient, square, ops.sum(square), ops.sum(ops.square(centred))

    def _normalisers(self, spreads, variables):
        """Factors that normalise each gradient, and those that do so once more.

        The method normalises again before the momentum. What is left to do then is
        known without another pass, and is felt where gradients are near 1e-8.
        """
        sizes = [math.prod(variable.shape) for variable in variables]
        freedom = ops.cast([max(size - 1, 1) for size in sizes], self._compute_dtype)
        deviations = ops.sqrt(spreads / freedom)
        factors = 1.0 / (deviations + DEVIATION_EPSILON)
        gains = 1.0 / (deviations * factors + DEVIATION_EPSILON)
        if min(sizes) <= 2:
            normalised = ops.convert_to_tensor([size > 2 for size in sizes])
            ones = ops.ones_like(factors)
            factors = ops.where(normalised, factors, ones)
            gains = ops.where(normalised, gains, ones)
        return factors, gains

    def _momentum_scales(self, rate, unbias_1):
        """Factors of the momentum and of the one before it, learning rate included."""
        factor = self.negative_momentum
        # Here the reference has beta_2 for its factor: 0.06 % off.
        noise = self.beta_2 if self.mode == "reference" else factor
        scale = rate / (unbias_1 * math.hypot(1 + noise, noise))
        scale = scale * (self.softplus_beta or 1.0)
        return (1 + factor) * scale, factor * scale

    def _update_momentums(self, variable, value, positive, negative):
        """Return the positive-negative momentum; update both momentums.

        The reference's two buffers take turns. Here one variable is the momentum and
        one the momentum before it, decayed as the next step wants it; they need
        neither a counter nor a choice. The plain one before it would be a copy of the
        other variable, which Inductor takes after that has changed.
        """
        i = self._get_variable_index(variable)
        before = self._tensor(self._momentums[i])
        momentum = self._tensor(self._decayed_momentums[i]) + value
        # Before the assignments: on torch a tensor read from a variable is the
        # variable's own memory, which `assign` overwrites.
        numerator = positive * momentum - negative * before
        self.assign(self._decayed_momentums[i], self.beta_1**2 * before)
        self.assign(self._momentums[i], momentum)
        return numerator

    def _update_second_moment(self, variable, value):
        i = self._get_variable_index(variable)
        moment = self.beta_2 * self._tensor(self._second_moments[i]) + value
        self.assign(self._second_moments[i], moment)
        if self.amsgrad:
            moment = ops.maximum(self._tensor(self._largest_moments[i]), moment)
            self.assign(self._largest_moments[i], moment)
        return moment

    def _changes(self, numerators, moments, unbias_2):
        """What positive-negative momentum over the softened root subtracts."""
        sharpness = self.softplus_beta or 1.0
        root_scale = sharpness / ops.sqrt(unbias_2)
        for numerator, moment in zip(numerators, moments, strict=True):
            root = ops.sqrt(moment) * root_scale + sharpness * self.epsilon
            if self.softplus_beta:
                root = ops.softplus(root)
            yield numerator / root

    def _shrinkages(self, variables, norms, rate, sigma):
        """Share of each unit that stable decay and, after it, norm loss take away."""
        # No gradient at all is no reason to decay for ever (the reference fails).
        decay = ops.where(sigma > 0, (self.weight_decay or 0.0) * rate / sigma, 0.0)
        kept = 1.0 - decay
        pull = 2 * (self.norm_loss or 0.0) * rate
        for i, (variable, norm) in enumerate(zip(variables, norms, strict=True)):
            decays = self.weight_decay and self._use_weight_decay(variable)
            # A name left over from an earlier loop makes the reference do this to
            # the last weight alone.
            if self.mode == "reference" and i < len(variables) - 1:
                yield None
            elif not self.norm_loss:
                yield decay if decays else None
            elif not decays:
                yield pull - pull / (norm + self.epsilon)
            else:
                yield decay + kept * (pull - pull / (norm * kept + self.epsilon))

    def _look_ahead(self, variables, weights, moved, count):
        """Merge with the slow weights where it is time; return the new weights."""
        first = ops.equal(count, 1)
        merging = ops.equal(ops.mod(count, self.lookahead_steps), 0)
        share = (1 - self.lookahead_alpha) * ops.cast(merging, self._compute_dtype)
        for variable, weight, fast in zip(variables, weights, moved, strict=True):
            slow_variable = self._slow_weights[self._get_variable_index(variable)]
            # Weights may be loaded between build and the first step.
            slow = ops.where(first, weight, self._tensor(slow_variable))
            fast = fast + share * (slow - fast)
            self.assign(slow_variable, ops.where(merging, fast, slow))
            yield fast

    def _tensor(self, variable):
        return ops.cast(ops.convert_to_tensor(variable), self._compute_dtype)

    def _norm(self, x, variable):
        """Norm of each output unit of a kernel; of the whole of any other weight."""
        axes = self._unit_axes(variable)
        if self.mode == "reference" and len(variable.shape) == 3:
            # Its kernels (units, inputs, width) are reduced over the inputs only,
            # of which a depthwise one has one.
            axes = axes[1:]
        square = ops.square(x)
        return ops.sqrt(ops.sum(square, axis=axes, keepdims=axes is not None))

    def _unit_axes(self, variable):
        """Axes that one output unit spans; None for a vector or a scalar."""
        axes = len(variable.shape)
        if axes <= 1:
            return None
        depthwise = axes > 2 and re.search(self.depthwise_pattern, variable.path)
        return tuple(range(axes - 2 if depthwise else axes - 1))

    def get_config(self):
        own = (
            "total_steps mode beta_1 beta_2 epsilon norm_loss agc_factor agc_epsilon "
            "softplus_beta negative_momentum amsgrad lookahead_steps lookahead_alpha "
            "warm_up_steps warm_down_start minimum_learning_rate depthwise_pattern"
        )
        return super().get_config() | {
            name: getattr(self, name) for name in own.split()
        }
