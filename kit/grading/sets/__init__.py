"""sets: the exercises, a module a set.  Each has EXERCISES, a tuple in the order of its notebook.

The number at the front of an exercise's id ("01-buddy") is that of its notebook.
"""
