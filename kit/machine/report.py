"""The deadlock report: who sleeps on what, since when and holding what, why, and how to see it again.

A deadlock is a sentence about who waits for whom.  Everybody who cannot go on waits for a piece of
something (an element of a pool, a mutex, a spinlock); who holds pieces of it is known from what the
tasks hold; and the shape that these two make together has a name.
"""

from kit.traps import Spin


def deadlock_report(machine):
    """The whole report, as text of several lines."""
    stuck = [task for task in machine.tasks if not task.finished and (task.asleep or type(task.request) is Spin)]
    when = max(task.cpu.clock for task in machine.tasks)
    lines = [f"deadlock at {when:,} ns, after {len(machine.schedule):,} turns: nobody can go on"]
    for task in stuck:
        lines.append(f"  {task.name} {waiting(task)}, {holding(task)}")
    lines += [f"usual cause: {cause}" for cause in usual_causes(stuck)]
    lines.append(f"replay: {how_to_replay(machine)}")
    return "\n".join(lines)


def unfinished_report(machine):
    """What NoEnd says: who has not ended."""
    left = ", ".join(task.name for task in machine.tasks if not (task.finished or task.daemon))
    return (f"after {len(machine.schedule):,} turns {left} had not ended. Does somebody go round in circles, or is "
            "`turns` too small for this story?")


def waits_for(task):
    """What a stuck task waits for a piece of: a pool, a mutex, a spinlock; else the queue itself."""
    if type(task.request) is Spin:
        return task.request.lock
    queue = task.request.queue
    return queue if queue.of is None else queue.of


def holders(tasks, wanted):
    """Those of `tasks` that hold a piece of `wanted`."""
    return [task for task in tasks if any(of is wanted for _, of in task.holds) or wanted in task.spinlocks]


def usual_causes(stuck):
    """The shapes that this deadlock has, each named in a sentence."""
    causes = []
    for task in stuck:
        wanted = waits_for(task)
        name = getattr(wanted, "name", wanted)
        having = holders(stuck, wanted)
        if task in having:
            cause = f"hold and wait: each holds a part of {name} and waits for more of {name}, which only the others could give back"
        elif having:
            cause = (f"{task.name} waits for {name}, held by {_names(having)}; "
                     + ("taken in different orders, the waiting closes a circle" if _circle(task, stuck)
                        else "whoever holds it must be able to go on without this task"))
        else:
            cause = f"nobody who is left holds any of {name}, so nobody will wake its sleepers: a wake-up was lost, or memory was never given back"
        if cause not in causes:
            causes.append(cause)
    return causes


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
    why = f" ({task.request.queue.why.rstrip('.')})" if task.request.queue.why else ""
    return f"sleeps on {task.request.label}{why} since {task.since:,} ns"


def holding(task):
    """What a task holds, as a report says it."""
    held = [f"{thing}" if of is thing else f"{thing} of {getattr(of, 'name', of)}" for thing, of in task.holds]
    held += [f"spinlock {lock.name}" for lock in task.spinlocks]
    return "holding " + ", ".join(held) if held else "holding nothing"


def _circle(task, stuck):
    """Whether following who waits for whom leads back to `task`."""
    seen, todo = set(), [task]
    while todo:
        for holder in holders(stuck, waits_for(todo.pop())):
            if holder is task:
                return True
            if holder.name not in seen:
                seen.add(holder.name)
                todo.append(holder)
    return False


def _names(tasks):
    return " and ".join(task.name for task in tasks)


