"""Distillation: the outputs of a larger model as further targets."""

from dataclasses import dataclass

import keras
from keras import ops

# The least probability whose logarithm is taken.
_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained model that another learns from, on the same augmented images.

    Hinton et al., arXiv 1503.02531; the teacher sees the crop, the mirror image and
    the mixture that the student sees (Beyer et al., arXiv 2106.05237).

    Attributes:
        model: maps raw pixels (n, height, width, 1) to logits, or to probabilities
            where `gives_logits` is false.
        temperature: divides the logits of both models before their softmax.
        share: weight of the distillation loss, 0 to 1; that of the label loss is
            1 - share.
        gives_logits: whether the outputs of `model` are logits.
    """

    model: keras.Model
    temperature: float
    share: float
    gives_logits: bool = True

    def variables(self) -> list[keras.Variable]:
        """Return the teacher's variables, which training does not change."""
        return self.model.trainable_variables + self.model.non_trainable_variables

    def loss(self, label_loss, logits, outputs):
        """Return the weighted loss of a batch; `label_loss` is the mean of its labels.

        logits: of the student, (n, classes); outputs: of the teacher's model.
        """
        outputs = ops.cast(outputs, "float32")
        if not self.gives_logits:
            outputs = ops.log(ops.maximum(outputs, _LEAST))
        target = ops.log_softmax(ops.stop_gradient(outputs) / self.temperature)
        ours = ops.log_softmax(logits / self.temperature)
        # Kullback-Leibler divergence; the factor keeps the scale of its gradients.
        divergence = ops.mean(ops.sum(ops.exp(target) * (target - ours), axis=-1))
        distilled = self.temperature**2 * divergence
        return (1 - self.share) * label_loss + self.share * distilled
