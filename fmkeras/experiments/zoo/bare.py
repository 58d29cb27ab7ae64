"""What another project would do with a saved model. Run as text: imports keras alone.

The arguments are pairs: an .npz file of test images and labels, and the path of a
model. The output is JSON: a line once Keras is imported, then one a model: its SHA-256,
how many images there are and how many it gets right; or the error.
"""

import hashlib
import importlib.util
import json
import sys

import numpy

BATCH = 500


def main(words: list[str]) -> None:
    if importlib.util.find_spec("fmkeras") is not None:
        # Installed, not only in the folder of the project: out of reach all the same.
        sys.modules["fmkeras"] = None
    import keras

    print(json.dumps({"keras": keras.__version__}), flush=True)
    for data, path in zip(words[::2], words[1::2], strict=True):
        answer = {}
        try:
            with numpy.load(data) as arrays:
                images, labels = arrays["images"], arrays["labels"]
            with open(path, "rb") as file:
                answer["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            model = keras.models.load_model(path)
            outputs = model.predict(images, batch_size=BATCH, verbose=0)
            answer["count"] = len(labels)
            answer["right"] = int((outputs.argmax(axis=1) == labels).sum())
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
