"""The command speedrun: the least time to an accuracy, beside plain PyTorch."""

from fmkeras.cli import flags
from fmkeras.cli.session import load_data, print_device


def add_commands(add) -> None:
    """Declare speedrun; `add(name, run, text)` returns a parser."""
    parser = add(
        "speedrun", speedrun, "time trainings to 93, 94 and 95 % of the test images"
    )
    parser.usage = "%(prog)s [--goal NAME ...] [option ...]"
    parser.epilog = (
        "By the rules of docs/speedrun.md. A record of each goal, device, data set, "
        "commit and versions is kept in saved_models/records/speedrun; its runs are "
        "not repeated. Code that is not committed has a record for each command."
    )
    parser.add_argument(
        "--goal",
        nargs="+",
        default=("93", "94", "95"),
        metavar="NAME",
        help="one or more (default: 93 94 95)",
    )
    parser.add_argument(
        "--repeats",
        type=flags.positive_number,
        default=10,
        metavar="N",
        help="how many runs; a record needs ten (default: 10)",
    )
    parser.add_argument(
        "--beside",
        type=flags.at_least(0),
        default=3,
        metavar="N",
        help="of how many seeds plain PyTorch runs too, in turns (default: 3)",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the record (default: as above)"
    )
    flags.add_backend(parser)
    flags.add_data(parser)


def speedrun(args) -> None:
    """Run each goal and print what its runs show."""
    from pathlib import Path

    from fmkeras.benchmark.speedrun.goals import find_goal

    goals = {name: find_goal(name) for name in args.goal}
    dataset = load_data(args)
    print_device()
    from fmkeras.benchmark.speedrun.run import record_text
    from fmkeras.benchmark.speedrun.run import speedrun as run_goal
    from fmkeras.engines.device import describe_device

    further = {} if args.out is None else {"folder": Path(args.out)}
    for name, goal in goals.items():
        print(
            f"{name} %: {goal.model}, {goal.recipe.epochs} epochs, views {goal.views}",
            flush=True,
        )
        path, record = run_goal(
            name,
            goal,
            dataset,
            device=describe_device(),
            backend=args.backend,
            runs=args.repeats,
            beside=args.beside,
            log=lambda line: print(line, flush=True),
            **further,
        )
        print(record_text(record))
        print(f"Record: {path}")
