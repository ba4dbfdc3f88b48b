def bench() -> None:
    """Placeholder until written."""
