"""The tables of training on several devices: what was measured, what follows."""

from typing import NamedTuple

from fmkeras.models import list_models, model_info
from fmkeras.report.tables.markdown import markdown_table


class Link(NamedTuple):
    """A connection between GPUs, as its maker publishes it.

    bandwidth: bytes a second of one GPU in one direction.
    """

    name: str
    bandwidth: float
    gpus: int
    source: str


LINKS = (
    Link(
        "NVLink 4",
        450e9,
        8,
        "[NVIDIA H100](https://www.nvidia.com/en-us/data-center/h100/): 900 GB/s in "
        "both directions",
    ),
    Link(
        "PCIe 4.0 x16",
        32e9,
        8,
        "[NVIDIA A100](https://www.nvidia.com/en-us/data-center/a100/): 64 GB/s in "
        "both directions",
    ),
    Link(
        "InfiniBand NDR",
        50e9,
        64,
        "[NVIDIA ConnectX-7]"
        "(https://www.nvidia.com/en-us/networking/infiniband-adapters/): 400 Gb/s, one "
        "a GPU",
    ),
    Link(
        "Ethernet of 10 Gb/s",
        1.25e9,
        64,
        "[IEEE 802.3ae](https://standards.ieee.org/ieee/802.3ae/1066/), one a GPU",
    ),
)
# Images a step of each GPU, and a training step's work in forward passes.
BATCH = 128
PASSES = 3


def devices_table(record: dict) -> str:
    """Return a row for each network and backend of a record of one process and two."""
    rows = []
    for name, entry in record["models"].items():
        for backend, figures in entry.items():
            one, strong, weak = (
                figures[label]["median"] for label in ("one", "strong", "weak")
            )
            step = record["settings"]["batch_size"] / strong
            rows.append(
                (
                    f"`{name}`",
                    backend,
                    f"{one:,.0f}",
                    f"{strong:,.0f} ({strong / one:.2f})",
                    f"{weak:,.0f} ({weak / one:.2f})",
                    f"{figures['bytes'] / 1e6:.2f} MB",
                    f"{1000 * figures['sum_seconds']['median']:.2f} ms",
                    f"{figures['sum_seconds']['median'] / step:.0%}",
                )
            )
    heads = ("network", "backend", "one process", "two, same batch")
    heads += ("two, twice the batch", "summed a step", "sum alone", "share of a step")
    return markdown_table(heads, rows, "ll" + "r" * 6)


def links_table() -> str:
    """Return the published bandwidths that the next table is computed from."""
    rows = [
        (link.name, f"{link.bandwidth / 1e9:g} GB/s", str(link.gpus), link.source)
        for link in LINKS
    ]
    heads = ("link", "a GPU, one direction", "GPUs", "published by")
    return markdown_table(heads, rows, "lrrl")


def computed_table() -> str:
    """Return for each network the computed share of a step that the sum takes.

    The time of a step follows from the rate of inference that the network's source
    publishes, on one RTX 4090; the bytes are those of the gradients. The rate includes
    the wait for a single-process data loader: a step computes for no longer, and the
    share is at least this.
    """
    rows = []
    for name in list_models():
        info = model_info(name)
        if info.published_rate is None:
            continue
        size = 4 * info.parameters
        step = PASSES * BATCH / info.published_rate
        shares = [sum_seconds(size, link) for link in LINKS]
        rows.append(
            (
                f"`{name}`",
                f"{size / 1e6:,.2f} MB",
                f"{1000 * step:.2f} ms",
                *(f"{_percent(took / (took + step))}" for took in shares),
            )
        )
    heads = ["network", "summed a step", f"step of {BATCH} images, at most"]
    heads += [f"{link.gpus} GPUs, {link.name}, at least" for link in LINKS]
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def sum_seconds(size: int, link: Link) -> float:
    """Return how long a ring of GPUs needs to sum `size` bytes, latency apart.

    Each GPU sends and receives 2 (n - 1) / n times the bytes.
    """
    return 2 * (link.gpus - 1) / link.gpus * size / link.bandwidth


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
