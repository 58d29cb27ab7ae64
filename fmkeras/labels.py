"""The ten classes of Fashion-MNIST, the shape of one image, the mean of the pixels."""

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
NUM_CLASSES = len(CLASS_NAMES)
IMAGE_SHAPE = (28, 28, 1)
# Of the training pixels, as fractions of 255: mean and standard deviation.
PIXEL_MEAN = 0.2860
PIXEL_DEVIATION = 0.3530
