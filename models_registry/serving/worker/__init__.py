"""What runs in the model's own environment: a process that loads one model, or an entry script, and answers for it.

Python 3.6 and up, the standard library, and of the environment what `ELSEWHERE` in tests/test_imports.py lists. Of these,
the gateway shares the messages (protocol.py) and the way to their socket.
"""
