"""onnxruntime-web, the runtime of ONNX files in a browser: one version, from npm."""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import cache_folder, replacing

VERSION = "1.30.0"
SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4C"
    "XAfKYQ=="
)
ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
MODULE = "ort.wasm.bundle.min.mjs"
BINARY = "ort-wasm-simd-threaded.wasm"


def runtime_files() -> tuple[str, bytes]:
    """Return the runtime's JavaScript module and its WebAssembly.

    They are taken from the cache, else by npm where it is installed, else from npm's
    registry; the package is checked by its SHA-512. Raises `UserError` where it is
    not to be had or is another.
    """
    folder = cache_folder(f"onnxruntime-web-{VERSION}")
    if folder is not None and all((folder / n).is_file() for n in (MODULE, BINARY)):
        contents = [(folder / name).read_bytes() for name in (MODULE, BINARY)]
    else:
        contents = unpack(download())
        if folder is not None:
            for name, content in zip((MODULE, BINARY), contents, strict=True):
                with replacing(folder / name) as temporary:
                    temporary.write_bytes(content)
    return contents[0].decode(), contents[1]


def unpack(package: bytes) -> list[bytes]:
    """Return the two files of the package; `UserError` where it is another."""
    found = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != SHA512:
        raise UserError(
            f"The package onnxruntime-web {VERSION} is not the one that is known; "
            f"expected SHA-512 {SHA512}: try again, or from another network. "
            f"Received: {found}"
        )
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return [
            archive.extractfile(f"package/dist/{name}").read()
            for name in (MODULE, BINARY)
        ]


def download() -> bytes:
    """Return the package as npm's registry has it."""
    try:
        if npm := shutil.which("npm"):
            with tempfile.TemporaryDirectory() as folder:
                words = [npm, "pack", "--silent", f"onnxruntime-web@{VERSION}"]
                subprocess.run(words, cwd=folder, check=True, capture_output=True)
                (file,) = Path(folder).glob("*.tgz")
                return file.read_bytes()
        with urllib.request.urlopen(ADDRESS, timeout=30) as response:
            return response.read()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"The page needs onnxruntime-web {VERSION}, which could not be downloaded "
            f"({error}); expected a way to npm's registry, once: it is then kept."
        ) from error
