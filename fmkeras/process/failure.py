"""What a Python process that failed has said of its error."""

import re

# 'ValueError: text', 'package.module.SomeError: text'.
_ERROR = re.compile(r"(?:\w+\.)*[A-Z]\w*[a-z]\w*: (.*)")
_COLOUR = re.compile(r"\x1b\[\d*m")


def error_line(text: str, otherwise: str = "no message") -> str:
    """Return the line of a process's output that names its error.

    Others may follow it: what a library prints while the process ends. The last line
    where none names an error, `otherwise` where there is no line.
    """
    lines = [_COLOUR.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    for number in reversed(range(len(lines))):
        found = _ERROR.match(lines[number])
        if found is None:
            continue
        # Keras puts its own words before those of an operation.
        wrapped = found[1].startswith("Exception encountered when calling")
        return lines[number + wrapped] if number + wrapped < len(lines) else found[0]
    return lines[-1] if lines else otherwise
