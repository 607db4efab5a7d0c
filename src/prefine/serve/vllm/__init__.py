"""Clients of vLLM servers, their versions and replicas, and starting them."""
