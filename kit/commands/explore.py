"""python -m kit explore: every state of a small world, and the simplest way to hang it."""

import argparse
import importlib.util
import inspect
import json
import sys

from kit.errors import BadInput
from kit.progress import bar


def add_parser(subparsers):
    """`explore`: the command, its stories and their sizes."""
    parser = subparsers.add_parser(
        "explore", help="every schedule of a small world, and the simplest way to hang it",
        description="Look at every state that a small world can be in, whatever the schedule and the world do, and "
                    "tell the simplest way to a deadlock, or that there is none. The stories run the kit's own code.")
    stories = parser.add_subparsers(title="stories", metavar="STORY", dest="named", required=True)
    _add_pool(stories)
    _add_ladder(stories)
    _add_museum(stories)
    _add_driver(stories)
    _add_random(stories)


def _add_pool(stories):
    parser = stories.add_parser("pool", help="like tasks that take several elements of one pool, one after the other")
    parser.add_argument("--elements", type=_size, default=2, metavar="N", help="elements that the pool keeps back (2)")
    parser.add_argument("--tasks", type=_size, default=3, metavar="N", help="tasks (3)")
    parser.add_argument("--take", type=_size, default=2, metavar="N",
                        help="elements that each takes before it gives all back (2)")
    parser.add_argument("--rounds", type=_size, default=1, metavar="N", help="how often each does that (1)")
    _common(parser, lambda args, worlds: worlds.pool(args.elements, args.tasks, args.take, args.rounds),
            ("elements", "tasks", "take", "rounds"))


def _add_ladder(stories):
    parser = stories.add_parser("ladder", help="the five levels with four different drivers on them, over an "
                                               "allocator that sleeps until memory is freed")
    parser.add_argument("--elements", type=_size, default=2, metavar="N", help="elements that the pool keeps back (2)")
    parser.add_argument("--rounds", type=_size, default=2, metavar="N",
                        help="how often each driver follows its program (2)")
    _common(parser, lambda args, worlds: worlds.ladder(args.elements, rounds=args.rounds), ("elements", "rounds"))


def _add_museum(stories):
    parser = stories.add_parser("museum", help="the bugs really found in mempool, and what its five levels need",
                                description="Without a name: every bug, in the form that had it and in the one that "
                                            "mended it, and the table of the five levels. With one: that bug, told.")
    parser.add_argument("name", nargs="?", metavar="NAME", help='a bug, such as "lost wake-up"; all, if none is given')
    parser.add_argument("--json", action="store_true", help="what was found, as JSON")
    parser.set_defaults(func=run_museum)


def run_museum(args):
    """Explore one bug of the museum, or all and the table of the five levels; prints what was found."""
    from kit.museum import visit

    def progress(rows):
        return bar(rows, unit=" rows")
    if args.json:
        print(json.dumps(visit.bug_data(args.name) if args.name else visit.everything_data(progress), indent=1))
    else:
        print(visit.bug(args.name) if args.name else visit.everything(progress))


def _add_driver(stories):
    parser = stories.add_parser("driver", help="your own story, from a Python file",
                                description="FILE.py defines story(machine), which sets up tasks on the machine.")
    parser.add_argument("file", metavar="FILE.py", help="a file with a function story(machine)")
    _common(parser, lambda args, worlds: _story_in(args.file), ())


def _add_random(stories):
    parser = stories.add_parser("random", help="a thousand arbitrary drivers: which of them hang, and by which rule",
                                description="Make arbitrary drivers from seeds, explore each, and set what was found "
                                            "beside what the rules of deadlock say. Some two minutes for a thousand.")
    parser.add_argument("--count", type=_count, default=1000, metavar="N", help="how many drivers (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the seed of the first (0)")
    parser.add_argument("--json", action="store_true", help="every driver and what was found, as JSON")
    parser.set_defaults(func=run_random)


def run_random(args):
    """Explore many drivers; prints how many hang under which rule, and every disagreement."""
    from kit.drivers import random_driver
    seeds = range(args.seed, args.seed + args.count)
    findings = random_driver.sweep(seeds, progress=lambda drivers: bar(drivers, unit=" drivers"))
    print(random_driver.as_json(findings) if args.json else random_driver.table(findings))


def _common(parser, story, sizes):
    parser.add_argument("--whole", action="store_true", help="look at every state, even after a deadlock was found")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.set_defaults(func=run, story=story, sizes=sizes)


def run(args):
    """Explore the story, with a progress bar; prints what was found."""
    from kit.drivers import small_worlds
    from kit.machine.explore import explore
    result = explore(args.story(args, small_worlds), whole=args.whole, progress=sys.stderr.isatty())
    print(json.dumps(result.to_dict(), indent=1) if args.json else result)
    if args.sizes and result.schedule and not args.json:
        print(f'see it again: kit.replay("{args.named}", "{result.schedule}"'
              + "".join(f", {size}={getattr(args, size)}" for size in args.sizes) + ")")


def _size(text):
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of drivers")
    return int(text)


def _story_in(path):
    """The function `story` that a Python file defines."""
    spec = importlib.util.spec_from_file_location("driver", path)
    if spec is None:
        raise BadInput(f"{path} is not a Python file: its name has to end in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    story = getattr(module, "story", None)
    if not inspect.isfunction(story) or len(inspect.signature(story).parameters) != 1:
        raise BadInput(f"{path} has to define story(machine), a function that sets up tasks on the machine it is "
                       "given.")
    return story
