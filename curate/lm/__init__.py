"""The only door to language models: `local` ones from a folder, and those behind an `api`. Both keep what they computed."""
