"""explorer: what explore.py stands on, from the form of a value up to the story of a counterexample.

In reading order: forms (values that can be compared and put back), frames (where a task stands),
shared (what tasks share), told (a machine that answers to the explorer), world (all that in numbers),
segments (what one turn does), symmetry (what may be renamed), moves (what can come next), search
(every state), cycles (rounds without progress), simplest (the way that is easiest to tell), story and
result (how it is told).
"""
