"""What judgements say: win rates, ratings, agreement, bias, each with its interval. Pure functions of frames."""
