"""What the dashboard decides and shows, as functions from values to values."""
