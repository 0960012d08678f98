"""A command's output on a terminal, as a picture that moves: `recording`, `screen`, `svg`."""
