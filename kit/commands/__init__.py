"""commands: the command line of the kit itself: setting up, the lab, the notebooks, the tests."""
