"""What another project would do with a saved model. Run as text: imports keras alone.

The arguments are the .npz file of test images and labels, then paths of models. Each
line of the output is the JSON of one: its SHA-256 and how many images it gets right.
"""

import hashlib
import importlib.util
import json
import sys

import numpy

BATCH = 500


def main(data: str, paths: list[str]) -> None:
    if importlib.util.find_spec("fmkeras") is not None:
        # Installed, not only in the folder of the project: out of reach all the same.
        sys.modules["fmkeras"] = None
    import keras

    arrays = numpy.load(data)
    images, labels = arrays["images"], arrays["labels"]
    for path in paths:
        with open(path, "rb") as file:
            answer = {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        try:
            model = keras.models.load_model(path)
            outputs = model.predict(images, batch_size=BATCH, verbose=0)
            answer["right"] = int((outputs.argmax(axis=1) == labels).sum())
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
