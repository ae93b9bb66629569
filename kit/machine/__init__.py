"""machine: whose turn it is.  Knows tasks, CPUs, interrupts and time; nothing of memory."""
