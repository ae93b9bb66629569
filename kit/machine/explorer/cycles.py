"""cycles: going on for ever without getting anywhere.

A world can hang without standing still: tasks that wake one another, ask, are refused and sleep
again.  That is a round of states in which some task that is to end never does.  Not every round
counts.  One in which a task could always run and never does is no fault of the program, and what is
under way comes at last: an interrupt, a time-out.  So a round is a harm only if it is fair: whoever
can move in all of its states moves in one of them.

Tarjan's algorithm finds the components, the largest sets of states that can all reach each other; a
round lies within one, and the fairest round visits all of it.
"""


from functools import partial


def endless(moves, states):
    """The states of every component in which the world can go round for ever, fairly: a list of sets."""
    return [component for component in _components(moves, states) if _is_fair(moves, component)]


def _is_fair(moves, component):
    """Whether everybody who can move in all states of `component` moves within it, and there is a round at all."""
    always, moving = None, set()
    for state in component:
        found = moves.moves(state)
        able = {who for who, _, _ in found}
        always = able if always is None else always & able
        moving |= {who for who, _, there in found if there in component}
    return bool(moving) and always <= moving


def round_from(moves, component, start):
    """A fair round within `component` from `start` and back: [(who, answers), ...].

    Whoever can move anywhere in it moves on the way, or the way leads past a state where they cannot.
    """
    steps, state = [], start
    for who in sorted({who for state in component for who, _, _ in moves.moves(state)}):
        if not any(step[0] == who for step in steps):
            part, state = _walk(moves, component, state, partial(_is_fair_to, moves, who))
            steps += part
    if state != start or not steps:
        steps += _walk(moves, component, state, lambda move: move[2] == start)[0]
    return steps


def _is_fair_to(moves, who, move):
    """Whether a move is made by `who`, or leads to where `who` cannot move."""
    return move[0] == who or all(able != who for able, _, _ in moves.moves(move[2]))


def _walk(moves, component, start, enough):
    """The shortest walk within `component` whose last move is `enough`: its steps and where it ends."""
    before, level = {start: None}, [start]
    while level:
        following = []
        for state in level:
            for move in moves.moves(state):
                if move[2] not in component:
                    continue
                if enough(move):
                    return _told(before, state) + [move[:2]], move[2]
                if move[2] not in before:
                    before[move[2]] = state, move[:2]
                    following.append(move[2])
        level = following
    return [], start


def _told(before, state):
    steps = []
    while before[state] is not None:
        state, step = before[state]
        steps.append(step)
    return steps[::-1]


def _components(moves, states):
    """The strongly connected components of the world, by Tarjan (1972), without recursion."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []
    for root in states:
        if root in index:
            continue
        work = [(root, None)]
        while work:
            state, branches = work.pop()
            if branches is None:
                index[state] = low[state] = len(index)
                stack.append(state)
                on_stack.add(state)
                branches = iter(moves.following(state))
            for after in branches:
                if after not in index:
                    work += [(state, branches), (after, None)]
                    break
                if after in on_stack:
                    low[state] = min(low[state], index[after])
            else:
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[state])
                if low[state] == index[state]:
                    found.append(_popped(stack, on_stack, state))
    return found


def _popped(stack, on_stack, root):
    component = set()
    while root not in component:
        component.add(stack.pop())
    on_stack -= component
    return component
