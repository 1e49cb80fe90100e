"""The only door to language models: `local` ones from a folder and those behind an `api`, which keep what they computed.

`generation` is the one way in which a loaded model answers, in training as in evaluation; `rendering` what it is asked with.
"""
