"""How likely the policy finds responses."""
