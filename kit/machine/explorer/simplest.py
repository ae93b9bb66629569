"""simplest: of all ways to a harm the one that is easiest to tell.

Easiest means: fewest forced switches, then fewest steps.  A switch is forced when whoever ran could
have gone on and somebody else came in between; so it takes a pair to say what going on costs, the
state and who ran last.  Merging on the state alone would keep the way that is cheapest so far and
lose one that is cheaper to go on with.
"""

from heapq import heappop, heappush
from itertools import count


class Way:
    """A way through the world: `steps`, [(who, answers, whether the switch was forced), ...], and where it leads."""

    def __init__(self, steps, state):
        self.steps, self.state = steps, state
        self.switches = sum(forced for _, _, forced in steps)


def simplest_way(moves, is_goal, limit):
    """The simplest way from the start to a state for which is_goal(state, its moves); a Way.

    None if there is none among the `limit` nodes that are cheapest to come to.

    With symmetry the states that is asked of are canonical ones, and the way is one of the real world:
    told of the tasks by their own names.
    """
    tree, found = _search(moves, is_goal, limit)
    if found is None:
        return None
    steps = []
    while len(tree[found]) > 1:
        found, *step = tree[found]
        steps.append(step)
    return _retraced(moves, tree[found][0], steps[::-1])


def way_through(moves, states):
    """Some way that leads through these states, one after the other."""
    canonical = moves.symmetry.canonical_node if moves.symmetry else _itself
    (state, _), first = canonical(moves.first, None)
    steps = []
    for after in states[1:]:
        steps.append(next((who, answers, places) for who, answers, there in moves.moves(state)
                          for (there, _), places in [canonical(there, None)] if there == after))
        state = after
    return _retraced(moves, first, steps)


def _search(moves, is_goal, limit):
    """Dijkstra's search over nodes (state, who ran last).  Gives the goal that was reached, and the tree of ways:

    for each node (the node before, who, answers, new task numbers), for the first one (new task numbers,).
    """
    canonical = moves.symmetry.canonical_node if moves.symmetry else _itself
    start, places = canonical(moves.first, None)
    tree, cost, done = {start: (places,)}, {start: (0, 0)}, set()
    todo, numbers = [(0, 0, 0, start)], count(1)    # switches, steps, a number so that nodes are never compared, node
    while todo and len(done) < limit:
        switches, steps, _, node = heappop(todo)
        if node in done:
            continue
        done.add(node)
        found = moves.moves(node[0])
        if is_goal(node[0], found):
            return tree, node
        for who, answers, there, forced in priced(found, node[1]):
            (after, places), price = canonical(there, runner(who)), (switches + forced, steps + 1)
            if after not in cost or price < cost[after]:
                cost[after], tree[after] = price, (node, who, answers, places)
                heappush(todo, (*price, next(numbers), after))
    return tree, None


def priced(found, last):
    """The moves `found`, each with whether it would be a forced switch: [(who, answers, state, forced), ...]."""
    could_go_on = any(who == last for who, _, _ in found)
    return [(who, answers, there, could_go_on and who != last) for who, answers, there in found]


def runner(who):
    """Who runs after a move of `who`: after an interrupt its handler, after a timer nobody."""
    return {"interrupt": ("handler", who[1]), "timer": None}.get(who[0], who)


def _itself(state, last):
    return (state, last), None


def _retraced(moves, places, steps):
    """The way in the real world: `steps` tell who moved by the numbers that tasks had in canonical states."""
    real = _moved(list(range(len(moves.first) - 1)), places)
    state, last, way = moves.first, None, []
    for who, answers, places in steps:
        if who[0] == "task":
            who = ("task", real[who[1]])
        state, forced = next((there, forced) for able, told, there, forced in priced(moves.moves(state), last)
                             if able == who and told == answers)
        way.append((who, answers, forced))
        last, real = runner(who), _moved(real, places)
    return Way(way, state)


def _moved(real, places):
    """Whom each number means after the tasks were given the new numbers `places`."""
    if places is None:
        return real
    moved = list(real)
    for number, place in enumerate(places):
        moved[place] = real[number]
    return moved
