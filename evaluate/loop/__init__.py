"""The loop: build a set, train on it, judge each epoch, take the best, and trace what was won and lost back to the data.

Each step is a command that anyone can run by hand, `python -m curate build`, `python -m train run` and so on, run here as a
process of its own: the parts meet through their files alone. Every one of them goes on where it was stopped, so the loop does.
"""
