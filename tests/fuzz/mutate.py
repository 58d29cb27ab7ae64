"""Valid files changed a little, so that parsers get far; all by a seeded `Random`."""

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from random import Random

EDGES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\x01",
    b"\xff",
    b"\n",
    b",",
    b'"',
    b"PK\x03\x04",
    b"9" * 30,
    b"-1",
    b"1e999",
    b"\xed\xa0\x80",
    b"\x1b[2J",
)
EDITS = ("flip", "cut", "drop", "insert", "repeat", "edge", "move")
VALUES = (
    *(None, True, False, 0, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), "", "a", "0", "-1", "NaN", "../../x", "/dev/zero"),
    *("\udcff", "\ud800", "\x1b[2J", "\0", "x" * 5000, "\u202e", "adam", "lenet"),
    *([], {}, [None], [[]], {"a": 1}, [1] * 300, [-1, 0], [0.1, "a"]),
)
# Of one change of many: a maker of inputs.
Maker = Callable[[Random], bytes]


def changed_bytes(random: Random, samples: list[bytes]) -> bytes:
    """One of the samples with some bytes flipped, cut, dropped, repeated or put in."""
    content = bytearray(random.choice(samples))
    for _ in range(random.randint(1, 5)):
        kind = random.choice(EDITS)
        place = random.randint(0, len(content))
        size = random.choice((1, 2, 4, 8, 60, 1000))
        if kind == "flip" and content:
            content[place % len(content)] ^= 1 << random.randrange(8)
        elif kind == "cut" and random.random() < 0.3:
            del content[place:]
        elif kind == "drop":
            del content[place : place + size]
        elif kind == "insert":
            content[place:place] = random.randbytes(random.randint(1, 8))
        elif kind == "repeat":
            content[place:place] = content[place : place + size] * 8
        elif kind == "edge":
            edge = random.choice(EDGES)
            content[place : place + len(edge)] = edge
        elif kind == "move":
            piece = content[place : place + size]
            del content[place : place + size]
            content += piece
    return bytes(content)


def places_in(content: object) -> list[tuple[object, object]]:
    """Return every container of JSON with each of its keys."""
    found, rest = [], [content]
    while rest:
        value = rest.pop()
        keys = ()
        if isinstance(value, dict):
            keys = tuple(value)
        elif isinstance(value, list):
            keys = tuple(range(len(value)))
        for key in keys:
            found.append((value, key))
            rest.append(value[key])
    return found


def changed_json(random: Random, samples: list[object]) -> bytes:
    """One of the samples with some values replaced, removed, renamed or nested."""
    content = copy.deepcopy(random.choice(samples))
    for _ in range(random.randint(1, 3)):
        places = places_in(content)
        if not places:
            break
        holder, key = random.choice(places)
        kind = random.choice(("set", "set", "remove", "rename", "nest", "swap"))
        if kind == "remove":
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            name = random.choice(("", "a", "\udcff", "name", "seed"))
            holder[name] = holder.pop(key)
        elif kind == "nest":
            for _ in range(random.choice((1, 2, 60, 300))):
                holder[key] = [holder[key]]
        elif kind == "swap":
            other, where = random.choice(places)
            holder[key] = copy.deepcopy(other[where])
        else:
            holder[key] = copy.deepcopy(random.choice(VALUES))
    return json.dumps(content).encode(errors="surrogatepass")


def texts(samples: list[object]) -> Maker:
    """JSON changed by its values, and at times by its bytes."""
    plain = [json.dumps(sample).encode() for sample in samples]

    def make(random: Random) -> bytes:
        if random.random() < 0.25:
            return changed_bytes(random, plain)
        return changed_json(random, samples)

    return make


def any_of(*makers: Maker) -> Maker:
    """One of several makers, each as often."""
    return lambda random: random.choice(makers)(random)


def bytes_of(samples: list[bytes]) -> Maker:
    """As `changed_bytes`."""
    return lambda random: changed_bytes(random, samples)


def json_of(contents: list[bytes]) -> Maker:
    """As `texts`, of contents that are JSON."""
    return texts([json.loads(content) for content in contents])


def unpack(archive: bytes) -> dict[str, bytes]:
    """Return the members of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def pack(members: dict[str, bytes]) -> bytes:
    """Return a zip archive of these members, its checksums right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def changed_member(samples: list[bytes], name: str | None, change) -> Maker:
    """An archive one of whose members is changed, packed again with right checksums.

    `change` makes a maker of a list of contents; any member's where `name` is None.
    """
    opened = [unpack(sample) for sample in samples]

    def make(random: Random) -> bytes:
        members = dict(random.choice(opened))
        chosen = name or random.choice(sorted(members))
        members[chosen] = change([members[chosen]])(random)
        return pack(members)

    return make


def gzipped(maker: Maker) -> Maker:
    """A content in gzip's form, whole or with some bytes changed."""

    def make(random: Random) -> bytes:
        packed = gzip.compress(maker(random), 1)
        return packed if random.random() < 0.5 else changed_bytes(random, [packed])

    return make


def then(maker: Maker, wrap: Callable[[bytes], bytes]) -> Maker:
    """What a maker makes, wrapped."""
    return lambda random: wrap(maker(random))
