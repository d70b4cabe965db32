"""A trip planner: a web service that runs a Dana program for every request in a process of its own."""
