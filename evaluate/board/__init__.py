"""Judgements as a board: its figures, its page, its tables."""
