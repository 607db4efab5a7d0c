"""Settings of nearest-neighbour search."""

from pydantic import Field

from prefine.settings import Part


class Search(Part):
    """Nearest-neighbour search: exact for few vectors, an inverted file (FAISS IVF) for more."""

    exact_up_to: int = Field(default=20_000, ge=1)
    """Maximum number of vectors that are searched exactly; more use an inverted file."""
    recall: float = Field(default=0.97, gt=0, le=1)
    """Minimum recall of the inverted file, measured on a sample; more lists are probed until it
    is reached."""
    sampled: int = Field(default=512, ge=16)
    """Number of vectors in the sample, whose true neighbours are found by brute force."""
    full_bytes: int = Field(default=2 * 2**30, ge=1)
    """Maximum size of the vectors in float32, in bytes; larger ones are searched in float16, the
    type in which they are stored."""
    half_bytes: int = Field(default=8 * 2**30, ge=1)
    """Maximum size of the vectors in float16, in bytes; larger ones are quantized to 8 bits per
    value, with a range per dimension."""
