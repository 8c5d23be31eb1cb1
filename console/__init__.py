"""What the ops team types and looks at."""
