"""Packed matrices, keys that begin with the session, custom scenarios, sectors, reconciliation.

A session's rows are written and replaced together: where its date leads the key, they lie side
by side however long the history grows.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FINITE = postgresql.DOMAIN(
    "finite", sa.Double(), check="VALUE > '-Infinity' AND VALUE < 'Infinity'", create_type=False
)
USD = postgresql.DOMAIN("usd", sa.Numeric(20, 6), check="VALUE <> 'NaN'", create_type=False)

MATRIX = (
    ("symbols", "text[]", "text", "n of them, sorted", "[n], sorted"),
    (
        "correlations",
        "float8[]",
        "float8",
        "n(n-1)/2, upper triangle by rows, NULL = unknown",
        "[n(n-1)/2], upper triangle by rows, null = unknown",
    ),
    (
        "observations",
        "smallint[]",
        "smallint",
        "n(n-1)/2, common returns of each pair",
        "[n(n-1)/2], common returns of each pair",
    ),
)

LONG_FORM_OF_ARRAYS = """
CREATE VIEW pairwise_correlations AS
SELECT m.portfolio_id, m.calculation_date, a.symbol AS symbol_1, b.symbol AS symbol_2,
       m.correlations[place.k] AS correlation_value,
       m.observations[place.k]::integer AS data_points
FROM correlation_matrices m
CROSS JOIN LATERAL unnest(m.symbols) WITH ORDINALITY AS a (symbol, i)
JOIN LATERAL unnest(m.symbols) WITH ORDINALITY AS b (symbol, j) ON b.j > a.i
CROSS JOIN LATERAL (
    SELECT ((a.i - 1) * cardinality(m.symbols) - (a.i - 1) * a.i / 2 + b.j - a.i)::int
) AS place (k)
"""

LONG_FORM_OF_DOCUMENTS = """
CREATE VIEW pairwise_correlations AS
SELECT m.portfolio_id, m.calculation_date, a.symbol AS symbol_1, b.symbol AS symbol_2,
       (m.correlations ->> place.k)::double precision AS correlation_value,
       (m.observations ->> place.k)::integer AS data_points
FROM correlation_matrices m
CROSS JOIN LATERAL jsonb_array_elements_text(m.symbols) WITH ORDINALITY AS a (symbol, i)
JOIN LATERAL jsonb_array_elements_text(m.symbols) WITH ORDINALITY AS b (symbol, j) ON b.j > a.i
CROSS JOIN LATERAL (
    SELECT ((a.i - 1) * jsonb_array_length(m.symbols) - (a.i - 1) * a.i / 2 + b.j - a.i - 1)::int
) AS place (k)
"""

# table: its key before, its key now, the indexes dropped and made
KEYS = (
    (
        "factor_exposures",
        ["portfolio_id", "factor_name", "calculation_date"],
        ["calculation_date", "portfolio_id", "factor_name"],
        ["calculation_date"],
        ["portfolio_id", "calculation_date"],
    ),
    (
        "position_factor_exposures",
        ["position_id", "calculation_date"],
        ["calculation_date", "position_id"],
        ["calculation_date"],
        None,
    ),
    (
        "stress_test_results",
        ["portfolio_id", "scenario_id", "calculation_date"],
        ["calculation_date", "portfolio_id", "scenario_id"],
        ["calculation_date"],
        ["portfolio_id", "calculation_date"],
    ),
    (
        "market_risk_scenarios",
        ["portfolio_id", "scenario", "calculation_date"],
        ["calculation_date", "portfolio_id", "scenario"],
        ["calculation_date"],
        ["portfolio_id", "calculation_date"],
    ),
)

# The same rules as core/risk/scenarios.py, for rows that are added without it.
SHOCKS_ARE_VALID = """
CREATE FUNCTION shocks_are_valid(shocks jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT jsonb_typeof(shocks) = 'object' AND shocks <> '{}' AND NOT EXISTS (
        SELECT FROM jsonb_each(CASE jsonb_typeof(shocks) WHEN 'object' THEN shocks ELSE '{}' END)
        WHERE CASE
            WHEN jsonb_typeof(value) <> 'number' THEN true
            WHEN key = 'Interest_Rate' THEN abs(value::numeric) > 0.04
            WHEN key IN ('Market', 'Value', 'Growth', 'Momentum', 'Quality', 'Size',
                         'Low Volatility') THEN value::numeric NOT BETWEEN -0.95 AND 1
            ELSE true END)
$$
"""

SCENARIO_DEFAULTS: dict[str, Any] = {
    "origin": "custom",
    "style_shocks": "excess",
    "is_active": sa.text("true"),
    "display_order": sa.text("1000"),
}

SCENARIO_CHECKS = {
    "category": "category IN ('market', 'rates', 'rotation', 'volatility', 'historical')",
    "severity": "severity IN ('mild', 'base', 'moderate', 'severe', 'extreme')",
    "origin": "origin IN ('package', 'custom')",
    "custom_id": r"(origin = 'custom') = (scenario_id LIKE 'custom\_%')",
    "shocks": "shocks_are_valid(shocks)",
}

# The benchmark as of a session is the newest one stated up to it. Sectors of either appear.
SECTORS_LONG = """
CREATE VIEW portfolio_sector_exposures AS
SELECT s.portfolio_id, s.snapshot_date, sector.name AS sector,
       coalesce((s.sector_exposure -> sector.name ->> 'net')::double precision, 0) AS net,
       coalesce((s.sector_exposure -> sector.name ->> 'gross')::double precision, 0) AS gross,
       b.benchmark, b.as_of_date AS benchmark_as_of,
       coalesce(w.weight::double precision, 0) AS benchmark_weight,
       coalesce((s.sector_exposure -> sector.name ->> 'net')::double precision, 0)
           - coalesce(w.weight::double precision, 0) AS over_underweight
FROM portfolio_snapshots s
CROSS JOIN LATERAL (
    SELECT benchmark, max(as_of_date) AS as_of_date FROM benchmark_sector_weights
    WHERE as_of_date <= s.snapshot_date GROUP BY benchmark
) AS b
CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(s.sector_exposure) AS name
    UNION
    SELECT sector FROM benchmark_sector_weights
    WHERE benchmark = b.benchmark AND as_of_date = b.as_of_date
) AS sector
LEFT JOIN benchmark_sector_weights w
    ON w.benchmark = b.benchmark AND w.as_of_date = b.as_of_date AND w.sector = sector.name
WHERE s.sector_exposure IS NOT NULL
"""


def upgrade() -> None:
    """Pack matrices, lead keys by the session, add sectors, reconciliation and scenario rules."""
    op.execute("DROP VIEW pairwise_correlations")
    for name, array, element, comment, _ in MATRIX:
        op.execute(f"ALTER TABLE correlation_matrices ADD COLUMN packed {array}")
        op.execute(
            f"UPDATE correlation_matrices SET packed = ARRAY(SELECT value::{element} FROM "
            f"jsonb_array_elements_text({name}) WITH ORDINALITY AS e (value, n) ORDER BY n)"
        )
        _rename_packed(name, comment)
    # Doubles do not compress; trying costs more than writing them.
    op.execute("ALTER TABLE correlation_matrices ALTER COLUMN correlations SET STORAGE EXTERNAL")
    op.create_check_constraint(
        op.f("correlation_matrices_finite_check"),
        "correlation_matrices",
        "'-Infinity' < ALL (correlations) AND 'Infinity' > ALL (correlations)",
    )
    op.execute(LONG_FORM_OF_ARRAYS)
    for table, _, now, dropped, made in KEYS:
        _change_key(table, now, dropped, made)
    _add_scenario_rules()
    _add_tables()
    op.execute(SECTORS_LONG)


def downgrade() -> None:
    """What 0004 had; custom scenarios are lost."""
    op.execute("DROP VIEW portfolio_sector_exposures")
    op.drop_table("reconciliation_exceptions")
    op.drop_table("benchmark_sector_weights")
    op.execute("DELETE FROM stress_test_scenarios WHERE origin = 'custom'")
    for name in SCENARIO_CHECKS:
        op.drop_constraint(
            op.f(f"stress_test_scenarios_{name}_check"), "stress_test_scenarios", type_="check"
        )
    for name in SCENARIO_DEFAULTS:
        op.alter_column("stress_test_scenarios", name, server_default=None)
    op.drop_column("stress_test_scenarios", "origin")
    op.execute("DROP FUNCTION shocks_are_valid(jsonb)")
    for table, before, _, made, dropped in KEYS:
        _change_key(table, before, dropped, made)
    op.execute("DROP VIEW pairwise_correlations")
    op.drop_constraint(
        op.f("correlation_matrices_finite_check"), "correlation_matrices", type_="check"
    )
    for name, _, _, _, comment in MATRIX:
        op.execute("ALTER TABLE correlation_matrices ADD COLUMN packed jsonb")
        op.execute(f"UPDATE correlation_matrices SET packed = to_jsonb({name})")
        _rename_packed(name, comment)
    op.execute(LONG_FORM_OF_DOCUMENTS)


def _rename_packed(name: str, comment: str) -> None:
    op.drop_column("correlation_matrices", name)
    op.alter_column("correlation_matrices", "packed", new_column_name=name, nullable=False)
    op.execute(f"COMMENT ON COLUMN correlation_matrices.{name} IS '{comment}'")


def _change_key(
    table: str, key: Sequence[str], dropped: Sequence[str] | None, made: Sequence[str] | None
) -> None:
    op.drop_constraint(op.f(f"{table}_pkey"), table, type_="primary")
    op.create_primary_key(op.f(f"{table}_pkey"), table, list(key))
    if dropped:
        op.drop_index(op.f(f"{table}_{'_'.join(dropped)}_idx"), table_name=table)
    if made:
        op.create_index(op.f(f"{table}_{'_'.join(made)}_idx"), table, list(made), unique=False)


def _add_scenario_rules() -> None:
    # What so far was not of the package was replaced at the next start, unless somebody was quick.
    op.add_column(
        "stress_test_scenarios",
        sa.Column(
            "origin",
            sa.Text(),
            server_default="package",
            nullable=False,
            comment="package: kept as its file says; custom: added here, and left alone",
        ),
    )
    op.execute(
        r"UPDATE stress_test_scenarios SET origin = 'custom' WHERE scenario_id LIKE 'custom\_%'"
    )
    for name, default in SCENARIO_DEFAULTS.items():
        op.alter_column("stress_test_scenarios", name, server_default=default)
    op.execute(SHOCKS_ARE_VALID)
    for name, rule in SCENARIO_CHECKS.items():
        op.create_check_constraint(
            op.f(f"stress_test_scenarios_{name}_check"), "stress_test_scenarios", rule
        )


def _add_tables() -> None:
    op.create_table(
        "benchmark_sector_weights",
        sa.Column("benchmark", sa.Text(), nullable=False, comment="SP500"),
        sa.Column(
            "as_of_date",
            sa.Date(),
            nullable=False,
            comment="valid from this day to the next one stated",
        ),
        sa.Column("sector", sa.Text(), nullable=False, comment="as core/risk/sectors.py names it"),
        sa.Column("weight", FINITE, nullable=False, comment="fraction of the index"),
        sa.CheckConstraint(
            "weight BETWEEN 0 AND 1", name=op.f("benchmark_sector_weights_weight_check")
        ),
        sa.PrimaryKeyConstraint(
            "benchmark", "as_of_date", "sector", name=op.f("benchmark_sector_weights_pkey")
        ),
    )
    op.create_table(
        "reconciliation_exceptions",
        sa.Column("snapshot_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False, comment="the column of portfolio_snapshots"),
        sa.Column(
            "stored", USD, nullable=True, comment="what the snapshot says; NULL without a snapshot"
        ),
        sa.Column(
            "from_positions",
            USD,
            nullable=True,
            comment="positions x prices, worked out by the database",
        ),
        sa.Column("as_served", USD, nullable=True, comment="what the service would answer"),
        sa.Column("detail", sa.Text(), nullable=False, comment="for a person"),
        sa.PrimaryKeyConstraint(
            "snapshot_date", "portfolio_id", "item", name=op.f("reconciliation_exceptions_pkey")
        ),
    )
    op.create_index(
        op.f("reconciliation_exceptions_portfolio_id_idx"),
        "reconciliation_exceptions",
        ["portfolio_id"],
        unique=False,
    )
