"""How the service's programs are started and kept alive."""
