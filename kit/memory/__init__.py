"""memory: the allocators.  They say where somebody may come in between, and never ask who that is."""
