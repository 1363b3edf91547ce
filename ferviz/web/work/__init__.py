"""What the studio's page asks of Python and what takes longer than a request: it is done in a process of its own, which can be ended."""
