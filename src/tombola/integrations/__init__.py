"""Masks in the trainers of others: `tombola.integrations.lightning` and `tombola.integrations.transformers`.

Each needs its own extra, and neither is imported here.
"""
