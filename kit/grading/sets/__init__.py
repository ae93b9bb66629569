"""sets: the exercises, setNN_name.py with EXERCISES, a tuple in the order of its notebook; a long set has several.

The number at the front of an exercise's id ("01-take") is that of its notebook.  To add an exercise:

    1. here, its Exercise: stub (the rule stands in its docstring), checks, hints, misconceptions, variants
    2. solutions/NN_*.ipynb, cells tagged answer:ID, check:ID, explanation:ID and, for every further
       variant, solution:ID:VARIANT; the answer is the stub with its hole filled between
       ### BEGIN SOLUTION and ### END SOLUTION
    3. tests/answers/setNN.py, a wrong answer for every misconception, in a line or two each
    4. python3 -m kit notebooks NN, python3 -m kit exercises --make

tests/test_grading.py then tries all of them, and mutants of the solution besides.  An `expect` is best written
in another way than the solution, the slow way, by looking at everything there is: then neither can be
wrong as the other is.
"""
