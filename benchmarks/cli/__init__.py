"""The command line: what was asked for (`arguments`), the commands, what they look up first and what they print.

Every command is a function of its request and a console that returns an exit code: here in `commands`, in rooms with a
command of their own the function `command` of their `command.py`.
"""
