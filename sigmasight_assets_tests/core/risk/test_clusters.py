"""Clusters worked by hand: distances sqrt(2 (1 - rho)), average linkage, cut at rho = 0.7."""

from itertools import combinations
from math import sqrt

import numpy as np
import pytest

from sigmasight_assets.core.risk.clusters import find_clusters


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
    (found,) = find_clusters(
        np.array([list(symbols)]),
        np.array([[1 / n] * n if weights is None else weights]),
        np.array([[""] * n if sectors is None else sectors], dtype=object),
        np.array([known]),
        matrix[None],
    )
    return found


def test_two_symbols_at_a_correlation_of_exactly_seven_tenths_are_a_cluster():
    (found,) = clusters_of("AB", {"AB": 0.7})
    assert found == {
        "name": "A",
        "symbols": ["A", "B"],
        "average_correlation": 0.7,
        "gross_share": 1.0,
    }


def test_just_below_seven_tenths_there_is_none():
    assert clusters_of("AB", {"AB": 0.699999}) == []


def test_linkage_averages_distances_and_not_correlations():
    # A and B join at d(0.98) = 0.2. C is at d(0.92) = 0.4 and d(0.30) = 1.1832 from them, 0.7916
    # on average: above sqrt(0.6) = 0.7746. With 0.36 for the last pair it is 0.7657 and C joins,
    # although the mean correlation of 0.64 is below 0.7.
    (apart,) = clusters_of("ABC", {"AB": 0.98, "AC": 0.92, "BC": 0.30})
    assert apart["symbols"] == ["A", "B"]
    (joined,) = clusters_of("ABC", {"AB": 0.98, "AC": 0.92, "BC": 0.36})
    assert joined["symbols"] == ["A", "B", "C"]
    assert joined["average_correlation"] == pytest.approx((0.98 + 0.92 + 0.36) / 3)


def test_single_symbols_are_no_clusters():
    found = clusters_of("ABC", {"AB": 0.9})
    assert [each["symbols"] for each in found] == [["A", "B"]]


def test_opposites_are_far_apart():
    assert clusters_of("AB", {"AB": -1.0}) == []


def test_correlations_beyond_one_by_rounding_are_taken_as_one():
    (found,) = clusters_of("AB", {"AB": 1.0000000000000002})
    assert found["symbols"] == ["A", "B"]


def test_clusters_come_largest_first_and_ties_alphabetically():
    pairs = {"AB": 0.9, "CD": 0.9, "EF": 0.9}
    found = clusters_of("ABCDEF", pairs, weights=[0.1, 0.1, 0.2, 0.3, 0.15, 0.05])
    assert [each["symbols"] for each in found] == [["C", "D"], ["A", "B"], ["E", "F"]]
    assert [each["gross_share"] for each in found] == pytest.approx([0.5, 0.2, 0.2])


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
    assert found["name"] == name


def test_the_average_is_of_known_pairs_only():
    (found,) = clusters_of("ABC", {"AB": 0.9, "AC": 0.8, "BC": 0.85}, unknown=("BC",))
    assert found["average_correlation"] == pytest.approx(0.85)
    (found,) = clusters_of("AB", {"AB": 0.9}, unknown=("AB",))
    assert found["average_correlation"] is None


def joined_by_hand(matrix):
    """Of any two groups the nearest on average are joined, as long as that is within the cut."""
    groups = [{place} for place in range(len(matrix))]

    def apart(pair):
        between = [sqrt(max(0.0, 2 * (1 - matrix[i, j]))) for i in pair[0] for j in pair[1]]
        return sum(between) / len(between)

    while len(groups) > 1:
        nearest = min(combinations(groups, 2), key=apart)
        if apart(nearest) > sqrt(0.6):
            break
        groups = [group for group in groups if group not in nearest] + [nearest[0] | nearest[1]]
    return [sorted(group) for group in groups if len(group) > 1]


def random_matrices(seed, count, n):
    """Correlations of samples that share a few drivers; some pairs are unknown."""
    rng = np.random.default_rng(seed)
    drivers = rng.normal(size=(count, 2, 60))
    load = rng.choice([0.0, 1.0], (count, n, 2)) + 0.2 * rng.normal(size=(count, n, 2))
    samples = load @ drivers + 0.5 * rng.normal(size=(count, n, 60))
    matrices = np.array([np.corrcoef(sample) for sample in samples])
    i, j = np.triu_indices(n, 1)
    known = np.where(rng.random((count, len(i))) < 0.2, np.nan, matrices[:, i, j])
    return matrices, known


@pytest.mark.parametrize("n", [2, 3, 7, 12])
def test_a_stack_has_the_clusters_of_its_matrices_worked_out_one_by_one(n):
    matrices, known = random_matrices(n, 60, n)
    rng = np.random.default_rng(n)
    weight = rng.dirichlet(np.ones(n), len(matrices))
    sector = rng.choice(np.array(["Energy", "Utilities", ""], dtype=object), (len(matrices), n))
    symbols = np.array([[f"S{at:02}" for at in range(n)]] * len(matrices))
    found = find_clusters(symbols, weight, sector, known, matrices)
    pair = {both: at for at, both in enumerate(combinations(range(n), 2))}
    seen = 0
    for each, clusters in enumerate(found):
        expected = joined_by_hand(matrices[each])
        seen += len(expected)
        named = {tuple(cluster["symbols"]): cluster for cluster in clusters}
        assert sorted(named) == sorted(tuple(symbols[each, group].tolist()) for group in expected)
        shares = [cluster["gross_share"] for cluster in clusters]
        assert shares == sorted(shares, reverse=True)
        for group in expected:
            cluster = named[tuple(symbols[each, group].tolist())]
            assert cluster["gross_share"] == pytest.approx(sum(weight[each, group]), abs=1e-12)
            rho = [known[each, pair[both]] for both in combinations(group, 2)]
            rho = [value for value in rho if value == value]  # noqa: PLR0124
            assert cluster["average_correlation"] == (
                pytest.approx(sum(rho) / len(rho), abs=1e-12) if rho else None
            )
            sectors = set(sector[each, group])
            largest = symbols[each, max(group, key=lambda at: weight[each, at])]
            assert cluster["name"] == (
                sectors.pop() if len(sectors) == 1 and "" not in sectors else largest
            )
    assert seen >= 5
    assert any(not clusters for clusters in found) or n > 3


def test_matrices_of_a_stack_do_not_mix():
    alone, known = random_matrices(5, 1, 8)
    others, others_known = random_matrices(6, 3, 8)
    stack = [np.concatenate(both) for both in ((others, alone), (others_known, known))]
    symbols = np.array([list("ABCDEFGH")] * 4)
    weight, sector = np.full((4, 8), 0.125), np.full((4, 8), "", dtype=object)
    together = find_clusters(symbols, weight, sector, stack[1], stack[0])
    (single,) = find_clusters(symbols[:1], weight[:1], sector[:1], known, alone)
    assert single
    assert repr(together[3]) == repr(single)
