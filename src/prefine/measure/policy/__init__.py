"""Log-probabilities of responses under the policy."""
