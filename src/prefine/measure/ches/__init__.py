"""CHES: centered hidden embedding similarity of chosen and rejected under the policy."""
