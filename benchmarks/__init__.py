"""What a wave costs, beside what others cost."""
