"""Speed and size promises, one file per topic; each row beside its reference in one run."""
