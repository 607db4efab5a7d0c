"""Models in process and behind servers: nothing else loads one or opens a socket."""
