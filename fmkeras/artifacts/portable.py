"""Saved models without the default values that only the newest Keras knows.

Keras 3.15 writes settings of its own into every layer's config, which older versions
refuse even where they hold defaults. A config without them means the same to both.
"""

import json
import os
import zipfile

# Settings that Keras gained after OLDEST, with the values that change nothing.
OLDEST = "3.4"
NEWER_DEFAULTS = {
    "quantization_config": None,
    "input_axes": None,
    "output_axes": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}


def drop_newer_defaults(path: str | os.PathLike) -> None:
    """Rewrite a `.keras` file without `NEWER_DEFAULTS`; its weights stay as they are.

    The file is written over in place: call it for a file that nobody reads yet.
    """
    with zipfile.ZipFile(path) as archive:
        members = [(member, archive.read(member)) for member in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members:
            if member.filename == "config.json":
                content = json.dumps(_without_newer(json.loads(content))).encode()
            archive.writestr(member, content)


def _without_newer(config: object) -> object:
    if isinstance(config, dict):
        return {
            key: _without_newer(value)
            for key, value in config.items()
            if key not in NEWER_DEFAULTS or value != NEWER_DEFAULTS[key]
        }
    if isinstance(config, list):
        return [_without_newer(value) for value in config]
    return config
