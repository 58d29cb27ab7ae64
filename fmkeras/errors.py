"""The error for mistakes that a user can make and mend."""


class UserError(ValueError):
    """What was wrong, what was expected and what to do, in one line.

    The command line prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 2


class Diverged(UserError):
    """A training whose loss is no longer a finite number."""

    exit_code = 3


class OutOfMemory(UserError):
    """Work that does not fit the memory of the machine or the device."""

    exit_code = 3
