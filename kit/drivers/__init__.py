"""drivers: those who need memory in order to free memory."""
