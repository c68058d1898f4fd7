"""The same sessions again, in any order and grouping: the same rows, to the last byte."""

from __future__ import annotations

from collections.abc import Mapping

from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    RANGE,
    Stage,
    result_checksums,
    run_range,
)


def test_a_range_run_twice_gives_the_same_bytes(ran: Stage, checksums: Mapping[str, str]) -> None:
    run_range(ran, RANGE[0], RANGE[-1])
    assert result_checksums(ran) == checksums


def test_sessions_in_shuffled_order_and_groups_give_the_bytes_of_one_run(
    stage: Stage, checksums: Mapping[str, str]
) -> None:
    for piece in (RANGE[7:8], RANGE[0:4], RANGE[8:12], RANGE[4:7]):
        run_range(stage, piece[0], piece[-1])
    assert result_checksums(stage) == checksums
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
