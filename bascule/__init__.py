"""Moves accounting firms from Sage Génération Experts to Sage for Accountants, and proves it."""
