"""Clusters worked by hand: distances sqrt(2 (1 - rho)), average linkage, cut at rho = 0.7."""

import numpy as np
import pytest

from sigmasight_assets.core.risk.clusters import Cluster, clustered, find_clusters


def clusters_of(symbols, pairs, weights=None, sectors=None, unknown=()):
    """pairs: {"AB": rho}, 0 where not named; unknown pairs are completed with the rho given."""
    n = len(symbols)
    matrix = np.eye(n)
    known = []
    for i in range(n):
        for j in range(i + 1, n):
            name = symbols[i] + symbols[j]
            matrix[i, j] = matrix[j, i] = pairs.get(name, 0.0)
            known.append(np.nan if name in unknown else matrix[i, j])
    return find_clusters(
        np.array(list(symbols)),
        np.full(n, 1 / n) if weights is None else np.array(weights),
        np.array([""] * n if sectors is None else sectors, dtype=object),
        np.array(known),
        matrix,
    )


def test_two_symbols_at_a_correlation_of_exactly_seven_tenths_are_a_cluster():
    (found,) = clusters_of("AB", {"AB": 0.7})
    assert found == Cluster("A", ["A", "B"], 0.7, 1.0)


def test_just_below_seven_tenths_there_is_none():
    assert clusters_of("AB", {"AB": 0.699999}) == ()


def test_linkage_averages_distances_and_not_correlations():
    # A and B join at d(0.98) = 0.2. C is at d(0.92) = 0.4 and d(0.30) = 1.1832 from them, 0.7916
    # on average: above sqrt(0.6) = 0.7746. With 0.36 for the last pair it is 0.7657 and C joins,
    # although the mean correlation of 0.64 is below 0.7.
    (apart,) = clusters_of("ABC", {"AB": 0.98, "AC": 0.92, "BC": 0.30})
    assert apart.symbols == ["A", "B"]
    (joined,) = clusters_of("ABC", {"AB": 0.98, "AC": 0.92, "BC": 0.36})
    assert joined.symbols == ["A", "B", "C"]
    assert joined.average_correlation == pytest.approx((0.98 + 0.92 + 0.36) / 3)


def test_single_symbols_are_no_clusters():
    found = clusters_of("ABC", {"AB": 0.9})
    assert [each.symbols for each in found] == [["A", "B"]]


def test_opposites_are_far_apart():
    assert clusters_of("AB", {"AB": -1.0}) == ()


def test_correlations_beyond_one_by_rounding_are_taken_as_one():
    (found,) = clusters_of("AB", {"AB": 1.0000000000000002})
    assert found.symbols == ["A", "B"]


def test_clusters_come_largest_first_and_ties_alphabetically():
    pairs = {"AB": 0.9, "CD": 0.9, "EF": 0.9}
    found = clusters_of("ABCDEF", pairs, weights=[0.1, 0.1, 0.2, 0.3, 0.15, 0.05])
    assert [each.symbols for each in found] == [["C", "D"], ["A", "B"], ["E", "F"]]
    assert [each.gross_share for each in found] == pytest.approx([0.5, 0.2, 0.2])


@pytest.mark.parametrize(
    ("sectors", "weights", "name"),
    [
        (["Energy", "Energy"], [0.3, 0.7], "Energy"),
        (["Energy", "Utilities"], [0.3, 0.7], "B"),
        (["Energy", ""], [0.6, 0.4], "A"),
        (["", ""], [0.5, 0.5], "A"),
    ],
)
def test_a_cluster_is_named_by_a_sector_of_all_members_else_by_its_largest(sectors, weights, name):
    (found,) = clusters_of("AB", {"AB": 0.9}, weights, sectors)
    assert found.name == name


def test_the_average_is_of_known_pairs_only():
    (found,) = clusters_of("ABC", {"AB": 0.9, "AC": 0.8, "BC": 0.85}, unknown=("BC",))
    assert found.average_correlation == pytest.approx(0.85)
    (found,) = clusters_of("AB", {"AB": 0.9}, unknown=("AB",))
    assert found.average_correlation is None


def test_clustered_marks_the_members():
    found = clusters_of("ABC", {"AC": 0.9})
    assert clustered(np.array(["A", "B", "C"]), found).tolist() == [True, False, True]
