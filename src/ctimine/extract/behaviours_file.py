"""The file of a model of described techniques: small, without pickle, equal for an equal model.

A zip of arrays and of a head in JSON. Weights are kept as 8-bit numbers.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctimine.errors import ExtractError
from ctimine.extract.behaviours_model import Model
from ctimine.extract.behaviours_ranking import Ranker
from ctimine.extract.behaviours_scores import Linear

if TYPE_CHECKING:
    from scipy import sparse

    from ctimine.extract.behaviours_scores import Numbers

_FORMAT: Final = 3
_RANKER_ARRAYS: Final = ("mean", "spread", "coefficients", "by_label", "hidden", "out")


def save_model(model: Model, path: Path) -> None:
    """Write a model: arrays in a zip, no pickle, equal bytes for an equal model."""
    import zipfile

    import numpy as np

    linear, ranker = model.linear, model.ranker
    weights, columns = _pressed(linear.weights)
    subs, sub_columns = _pressed(model.sub_weights)
    arrays = {
        "hashes": linear.hashes,
        "scale": linear.scale.astype(np.float16),
        **{f"weights_{key}": value for key, value in weights.items()},
        "weights_step": columns,
        "bias": linear.bias,
        "name_labels": linear.name_labels.astype(np.int16),
        "name_data": linear.name_grams.data.astype(np.float16),
        "name_indices": linear.name_grams.indices.astype(np.int16),
        "name_indptr": np.diff(linear.name_grams.indptr).astype(np.uint16),
        **{f"block_{n}": block.astype(np.int16) for n, block in enumerate(linear.blocks)},
        **{f"subs_{key}": value for key, value in subs.items()},
        "subs_step": sub_columns,
        "sub_bias": model.sub_bias,
        **_arrays_of("ranker", ranker),
        **(_arrays_of("reader", model.reader) if model.reader else {}),
    }
    head = {
        "format": _FORMAT,
        "labels": model.labels,
        "subs": model.subs,
        "blocks": len(linear.blocks),
        "names": linear.name_grams.shape[1],
        "gate_floor": linear.gate_floor,
        "sub_floor": model.sub_floor,
        "ranker": _numbers_of(ranker),
        "reader": _numbers_of(model.reader) if model.reader else None,
        "thresholds": model.thresholds,
        "about": model.about,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:

        def add(name: str, body: bytes) -> None:
            # A fixed date: the same model has the same bytes whenever it is written.
            file.writestr(
                zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED, 9
            )

        add("head.json", json.dumps(head, sort_keys=True).encode())
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            add(f"{name}.npy", buffer.getvalue())


def read_model(path: Path) -> Model:
    """A model from its file."""
    import zipfile

    import numpy as np
    from scipy import sparse

    try:
        with zipfile.ZipFile(path) as file:
            head = json.loads(file.read("head.json"))
        if head["format"] != _FORMAT:
            raise ExtractError(f"model format {head['format']} is not ours", subject=str(path))
        arrays = np.load(path, allow_pickle=False)
        features = len(arrays["hashes"])
        pointers = np.r_[0, np.cumsum(arrays["name_indptr"], dtype=np.int32)].astype(np.int32)
        labels = tuple(head["labels"])
        linear = Linear(
            hashes=arrays["hashes"],
            scale=arrays["scale"].astype(np.float32),
            weights=_unpressed(arrays, "weights", features),
            bias=arrays["bias"],
            blocks=tuple(arrays[f"block_{n}"].astype(np.int64) for n in range(head["blocks"])),
            name_grams=sparse.csr_matrix(
                (
                    arrays["name_data"].astype(np.float32),
                    arrays["name_indices"].astype(np.int32),
                    pointers,
                ),
                shape=(features, head["names"]),
            ),
            name_labels=arrays["name_labels"].astype(np.int64),
            labels=len(labels),
            gate_floor=head["gate_floor"],
        )
        return Model(
            labels=labels,
            linear=linear,
            ranker=_ranker_from(arrays, head, "ranker"),
            reader=_ranker_from(arrays, head, "reader") if head["reader"] else None,
            subs=tuple(head["subs"]),
            sub_weights=_unpressed(arrays, "subs", features),
            sub_bias=arrays["sub_bias"],
            sub_floor=head["sub_floor"],
            thresholds=head["thresholds"],
            about=head["about"],
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExtractError(f"not a model of behaviours: {error!r}", subject=str(path)) from None


def _arrays_of(name: str, ranker: Ranker) -> dict[str, Numbers]:
    return {f"{name}_{field}": getattr(ranker, field) for field in _RANKER_ARRAYS}


def _numbers_of(ranker: Ranker) -> dict[str, Any]:
    return {field: getattr(ranker, field) for field in ("intercept", "slopes", "calibration")}


def _ranker_from(arrays: Any, head: dict[str, Any], name: str) -> Ranker:
    return Ranker(
        **{field: arrays[f"{name}_{field}"] for field in _RANKER_ARRAYS},
        intercept=head[name]["intercept"],
        slopes=tuple(head[name]["slopes"]),
        calibration=tuple(head[name]["calibration"]),
    )


def _pressed(matrix: sparse.csr_matrix) -> tuple[dict[str, Any], Numbers]:
    """Columns as 8-bit numbers with a step each, kept by column for short index differences."""
    import numpy as np

    by_column = matrix.tocsc()
    by_column.sort_indices()
    sizes = np.diff(by_column.indptr)
    steps = np.ones(by_column.shape[1], np.float32)
    for number in range(by_column.shape[1]):
        part = by_column.data[by_column.indptr[number] : by_column.indptr[number + 1]]
        if len(part):
            steps[number] = max(float(np.abs(part).max()) / 127, 1e-9)
    data = np.rint(by_column.data / np.repeat(steps, sizes)).astype(np.int8)
    gaps = np.diff(by_column.indices, prepend=0).astype(np.int64)
    starts = by_column.indptr[:-1][sizes > 0]
    gaps[starts] = by_column.indices[starts]
    # Gaps are small: a low and a high byte apart compress far better than one number.
    return {
        "data": data,
        "gaps_low": (gaps & 0xFF).astype(np.uint8),
        "gaps_high": (gaps >> 8).astype(np.uint16),
        "sizes": sizes.astype(np.uint32),
    }, steps


def _unpressed(arrays: Any, name: str, features: int) -> sparse.csr_matrix:
    import numpy as np
    from scipy import sparse

    sizes = arrays[f"{name}_sizes"].astype(np.int64)
    gaps = arrays[f"{name}_gaps_low"].astype(np.int64)
    gaps += arrays[f"{name}_gaps_high"].astype(np.int64) << 8
    pointers = np.r_[0, np.cumsum(sizes)]
    total = np.cumsum(gaps)
    before = np.r_[0, total][pointers[:-1]]
    # Index arrays of one type, the rows' own: scipy copies a matrix for every product otherwise.
    indices = (total - np.repeat(before, sizes)).astype(np.int32)
    data = arrays[f"{name}_data"].astype(np.float32) * np.repeat(arrays[f"{name}_step"], sizes)
    pointers = pointers.astype(np.int32)
    return sparse.csc_matrix((data, indices, pointers), shape=(features, len(sizes))).tocsr()
