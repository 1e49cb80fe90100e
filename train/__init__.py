"""The trainer: a curated set, a base model, a recipe; adapters, answers and a card come out."""
