"""The YAML at the top of a data set card: licence, size, files, features and splits.

It follows the metadata of Hugging Face data set cards, so that ``datasets`` finds the shards and
their schema. Neither ``datasets`` nor ``huggingface_hub`` is needed to write it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import yaml

from prefine.export.curation import Curation
from prefine.settings.json import Json

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"
_RENAMED = {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}
"""Arrow types whose names ``datasets`` spells differently."""


def front_matter(curation: Curation, splits: Mapping[str, Json]) -> str:
    """Return the metadata of a data set card as YAML.

    Args:
        curation: Name, license, languages and schema.
        splits: ``num_examples`` and ``num_bytes`` of each split.
    """
    total = sum(int(split["num_examples"]) for split in splits.values())
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    sizes = [
        {"name": name, "num_bytes": size["num_bytes"], "num_examples": size["num_examples"]}
        for name, size in splits.items()
    ]
    card = {
        "language": list(curation.export.language) or None,
        "license": curation.export.license,
        "size_categories": [next((name for limit, name in _SIZES if total < limit), _LARGEST)],
        "pretty_name": curation.name,
        "tags": ["preference", "dpo", "rlhf", "prefine"],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": features(curation.schema), "splits": sizes},
    }
    written = {key: value for key, value in card.items() if value is not None}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True).strip()


def features(fields: Iterable[Any]) -> list[Json]:
    """Return Arrow fields as the ``features`` of a data set card.

    Args:
        fields: A schema, or the fields of a struct.
    """
    return [{"name": field.name, **_feature(field.type)} for field in fields]


def _feature(arrow: Any) -> Json:
    fields = arrow
    if pa.types.is_struct(arrow):
        return {"struct": features(fields)}
    if pa.types.is_fixed_size_list(arrow):
        return {"list": _item(arrow), "length": arrow.list_size}
    if pa.types.is_large_list(arrow):
        return {"large_list": _item(arrow)}
    if pa.types.is_list(arrow):
        return {"list": _item(arrow)}
    return {"dtype": _RENAMED.get(str(arrow), str(arrow))}


def _item(arrow: Any) -> object:
    """Return the feature of a list's items, without the key of a plain type or a struct."""
    item = _feature(arrow.value_type)
    return next(iter(item.values())) if item.keys() & {"dtype", "struct"} else item
