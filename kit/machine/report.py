"""The deadlock report: who sleeps on what, since when and holding what, why, and how to see it again.

A deadlock is a sentence about who waits for whom.  Everybody who cannot go on waits for a piece of
something (an element of a pool, a mutex, a spinlock); who holds pieces of it is known from what the
tasks hold; and the shape that these two make together has a name.

Always true: every task that has not ended is named.
"""

import textwrap

from kit.machine.cpus import is_kept_out
from kit.tasks import Sleep, Spin

WIDTH = 100


def deadlock_report(machine):
    """The whole report, as text of several lines."""
    left = [task for task in [*machine.tasks, *_interrupts(machine)] if not task.finished]
    when = max((cpu.clock for cpu in machine.cpus), default=0)
    lines = [f"deadlock at {when:,} ns, after {len(machine.schedule):,} turns: nobody can go on"]
    for task in left:
        lines += _wrapped("  ", f"{task.name} {waiting(task)}, {holding(task)}")
    # A daemon that sleeps has nothing to do, as a rule; those who wait for it are the story.
    for cause in usual_causes([task for task in left if type(task.request) in (Sleep, Spin) and not task.daemon]):
        lines += _wrapped("usual cause: ", cause)
    return "\n".join([*lines, f"replay: {how_to_replay(machine)}"])


def unfinished_report(machine):
    """What NoEnd says: who has not ended."""
    left = ", ".join(task.name for task in machine.tasks if not (task.finished or task.daemon))
    return (f"after {len(machine.schedule):,} turns {left} had not ended. Does somebody go round in circles, or is "
            "`turns` too small for this story?")


def stuck_tasks(machine):
    """The tasks that sleep or spin."""
    return [task for task in machine.tasks if task.asleep or type(task.request) is Spin and is_kept_out(task.request)]


def wait_for_graph(machine):
    """Who waits for whom, as plain data: {task: {"waits for", "held by", "holds"}}."""
    graph = {}
    for task in stuck_tasks(machine):
        wanted = waits_for(task)
        having = [holder.name for holder in holders(machine.tasks, wanted)]
        graph[task.name] = {"waits for": name_of(wanted), "held by": having, "holds": holdings(task)}
    return graph


def waits_for(task):
    """What a stuck task waits for a piece of: a pool, a mutex, a spinlock; else the queue itself."""
    if type(task.request) is Spin:
        return task.request.lock
    queue = task.request.queue
    return queue if queue.of is None else queue.of


def holders(tasks, wanted):
    """Those of `tasks` that hold a piece of `wanted`."""
    return [task for task in tasks if any(of is wanted for _, of in task.holds) or wanted in task.spinlocks]


def name_of(thing):
    """What a report calls something: its name; else what it prints as, or its class, but never an address."""
    plain = type(thing).__repr__ is object.__repr__
    return getattr(thing, "name", type(thing).__name__ if plain else str(thing))


def usual_causes(stuck):
    """The shapes that this deadlock has, each named in a sentence, each once."""
    return list(dict.fromkeys(_cause(task, stuck) for task in stuck))


def how_to_replay(machine):
    """The line of code that shows the same run again."""
    schedule = "".join(machine.schedule)
    if len(schedule) <= 400:
        return f'machine.run(schedule="{schedule}") on the same story'
    return "run the same story with the same seed; its schedule is ''.join(machine.schedule)"


def waiting(task):
    """What a stuck task waits for, as a report says it."""
    if type(task.request) is Spin:
        return f"spins on {task.request.label}"
    if type(task.request) is not Sleep:
        return "could run, but its CPU is taken by somebody who cannot go on"
    why = f" ({task.request.queue.why.rstrip('.')})" if task.request.queue.why else ""
    return f"sleeps on {task.request.label}{why} since {task.since:,} ns"


def holding(task):
    """What a task holds, as a report says it."""
    return "holding " + (", ".join(holdings(task)) or "nothing")


def holdings(task):
    """Each thing that a task holds, by name, with whose it is."""
    held = [f"{thing}" if of is thing else f"{thing} of {name_of(of)}" for thing, of in task.holds]
    return held + [f"spinlock {lock.name}" for lock in task.spinlocks]


def _cause(task, stuck):
    """The usual cause for what `task` meets, in one sentence."""
    wanted = waits_for(task)
    name, having = name_of(wanted), holders(stuck, wanted)
    if task in having and wanted in task.spinlocks:
        return f"{task} takes {name} a second time, and waits for itself"
    if task in having:
        return (f"hold and wait: each holds a part of {name} and waits for more of {name}, "
                "which only the others could give back")
    if having and _circle(task, stuck):
        return f"a circle: {task} waits for {name}, held by {_names(having)}; they were taken in different orders"
    if having and type(task.request) is Spin:
        return f"{task} spins on {name}, whose holder {_names(having)} cannot go on itself"
    if having:
        return f"{task} waits for {name}, held by {_names(having)}, who must be able to go on without it"
    return (f"nobody who is left holds any of {name}: a wake-up was lost, "
            "or what was taken was given back somewhere else, or not at all")


def _circle(task, stuck):
    """Whether following who waits for whom leads back to `task`."""
    seen, todo = [], [task]
    while todo:
        for holder in holders(stuck, waits_for(todo.pop())):
            if holder is task:
                return True
            if holder not in seen:
                seen.append(holder)
                todo.append(holder)
    return False


def _interrupts(machine):
    return [task for cpu in machine.cpus for task in cpu.stack if task.in_interrupt]


def _names(tasks):
    return " and ".join(task.name for task in tasks)


def _wrapped(before, text):
    return textwrap.wrap(before + text, WIDTH, subsequent_indent=" " * max(4, len(before)),
                         break_long_words=False, break_on_hyphens=False)
