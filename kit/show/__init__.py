"""show: figures, tables and widgets.  It looks at everything below and is imported by nothing there."""
