"""The museum: mempool in each form that it has had since December 2001, and the bugs that were really found."""
