"""MLflow's REST API, as its clients of 2.x and 3.x call it, on the services of the portal.

The tracking URI is the portal's address (workspace `default`) or `/w/<workspace>` under it. The application stands before
Django's middleware: a number that a script logs is written in a millisecond or two.
"""
