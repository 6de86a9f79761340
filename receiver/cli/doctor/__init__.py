"""The checks of `whenfinal doctor`: each says what it found and, where something is wrong, how to fix it."""
