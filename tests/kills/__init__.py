"""Runs that are killed at random moments, over and over, and what is left of them."""
