"""What `whenfinal doctor` looks at: each check says how things are and, where they are not well, the cure."""
