"""vLLM servers: clients for each task, protocol versions, replicas, and starting servers."""
