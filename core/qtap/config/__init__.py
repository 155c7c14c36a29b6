"""The configuration file: its schema, with the line and column of everything that is wrong in it. No kernel, no screen."""
