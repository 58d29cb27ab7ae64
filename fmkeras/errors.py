"""The error for mistakes that a user can make and mend."""


class UserError(ValueError):
    """What was wrong, what was expected and what to do, in one line.

    The command line prints the message without a traceback and exits with code 2.
    """
