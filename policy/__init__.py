"""What to do: strategies, the site's model, guards."""
