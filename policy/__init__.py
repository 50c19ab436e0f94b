"""Deciding: from a Situation to a Plan, and the rules no plan may break."""
