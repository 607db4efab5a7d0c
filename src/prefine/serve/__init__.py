"""Models in process and behind servers; no other package loads a model or opens a socket."""
