"""The code in the README and docs: commands of the shell, blocks of Python, links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATTERNS = ("README.md", "CONTRIBUTING.md", "saved_models/README.md", "docs/**/*.md")
STARTS = ("make", "fmkeras", "python")
# Above a block that no test runs; the reason stands in the comment.
NOT_RUN = re.compile(r"<!-- not run: .+ -->")


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the line it begins on, language and text."""

    page: str
    line: int
    language: str
    text: str
    not_run: bool


def pages() -> list[Path]:
    return [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, and those indented by four spaces."""
    name, lines = page.relative_to(ROOT).as_posix(), page.read_text().splitlines()
    found, at = [], 0
    while at < len(lines):
        begin = at
        fence = re.match(r"( *)```(\w*)", lines[at])
        if fence:
            at += 1
            while not lines[at].strip().startswith("```"):
                at += 1
            code = [line.removeprefix(fence[1]) for line in lines[begin + 1 : at]]
            language = fence[2]
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            code, language = [line[4:] for line in lines[begin:at]], ""
        else:
            at += 1
            continue
        above = next((line for line in lines[begin - 1 :: -1] if line.strip()), "")
        not_run = bool(NOT_RUN.fullmatch(above.strip()))
        found.append(Block(name, begin + 1, language, "\n".join(code), not_run))
        at += 1
    return found


def shell_commands(page: Path) -> list[str]:
    """Return the commands of a page that a test can read, in blocks and in the text."""
    found = []
    for block in blocks(page):
        if block.language in ("", "sh", "bash", "shell") and not block.not_run:
            text = block.text.replace("\\\n", " ")
            found += [line for line in text.splitlines() if _is_command(line)]
    # A generated table names targets, and tests/test_makefile.py holds them.
    generated = r"^```.*?^```|<!-- table:.*?<!-- end of table -->"
    text = re.sub(generated, "", page.read_text(), flags=re.M | re.S)
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
    found += [code for code in inline if _is_command(code) and "..." not in code]
    return list(dict.fromkeys(found))


def links(page: Path) -> list[str]:
    """Return what a page links to and shows, web addresses left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """Return the names under which GitHub finds the headings of a page."""
    heads = re.findall(r"^#+ (.*)", page.read_text(), re.M)
    plain = [re.sub(r"[^\w\- ]", "", head.lower()) for head in heads]
    return {head.strip().replace(" ", "-") for head in plain}


def _is_command(line: str) -> bool:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return False
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if not words or words[0] not in STARTS:
        return False
    return words[0] != "python" or words[1:3] in (["-m", "fmkeras"], ["-m", "tuner"])
