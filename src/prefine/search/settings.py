"""How neighbours are searched."""

from pydantic import Field

from prefine.settings import Part


class Search(Part):
    """How neighbours are searched."""

    exact_up_to: int = Field(default=20_000, ge=1)
    """Compare every vector with every one up to so many, use an inverted file above."""
    recall: float = Field(default=0.97, gt=0, le=1)
    """Share of the true neighbours that an inverted file must find among those of a sample."""
    sampled: int = Field(default=512, ge=16)
    """Vectors whose true neighbours are found by brute force, to measure that share."""
    full_bytes: int = Field(default=2 * 2**30, ge=1)
    """Vectors that take more as float32 are kept as float16, which is how they are stored."""
    half_bytes: int = Field(default=8 * 2**30, ge=1)
    """Vectors that take more as float16 are kept in 8 bits a value, with a range per dimension."""
