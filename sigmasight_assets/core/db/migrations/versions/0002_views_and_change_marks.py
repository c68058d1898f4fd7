"""Long-form views, and triggers that mark a portfolio when its past is changed.

The marks are made by the database because every writer of positions has to make them: the
service, a person with psql, the next importer.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FACTORS_LONG = """
CREATE VIEW symbol_factor_exposures_by_factor AS
SELECT e.symbol, f.name AS factor_name, e.calculation_date, v.beta_value, v.r_squared,
       v.observations, e.quality_flag, f.calculation_method, f.regression_window_days
FROM symbol_factor_exposures e
CROSS JOIN LATERAL (VALUES
    ('market_beta', e.market_beta, e.market_r_squared, e.observations_90),
    ('ir_beta', e.ir_beta, e.ir_r_squared, e.observations_90),
    ('momentum_beta', e.momentum_beta, e.style_r_squared, e.observations_90),
    ('value_beta', e.value_beta, e.style_r_squared, e.observations_90),
    ('growth_beta', e.growth_beta, e.style_r_squared, e.observations_90),
    ('size_beta', e.size_beta, e.style_r_squared, e.observations_90),
    ('quality_beta', e.quality_beta, e.style_r_squared, e.observations_90),
    ('low_volatility_beta', e.low_volatility_beta, e.style_r_squared, e.observations_90),
    ('growth_value_spread', e.growth_value_spread, e.growth_value_spread_r_squared,
     e.observations_180),
    ('momentum_spread', e.momentum_spread, e.momentum_spread_r_squared, e.observations_180),
    ('size_spread', e.size_spread, e.size_spread_r_squared, e.observations_180),
    ('quality_spread', e.quality_spread, e.quality_spread_r_squared, e.observations_180),
    ('provider_beta', e.provider_beta, NULL, NULL)
) AS v (column_name, beta_value, r_squared, observations)
JOIN factor_definitions f ON f.column_name = v.column_name
"""

CORRELATIONS_LONG = """
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

# There is nothing before inception; a day that is not known is as early as that.
MARK = """
CREATE FUNCTION mark_portfolio_changed(portfolio uuid, first_day date) RETURNS void
LANGUAGE sql AS $$
    UPDATE portfolios
    SET data_version = data_version + 1,
        stale_from = LEAST(stale_from, GREATEST(first_day, inception_date))
    WHERE id = portfolio
$$
"""

# A statement that changes 5,000 positions marks each portfolio once. An exit replaces an expiry,
# which closed the option on the last session not after it: at most four days earlier.
POSITIONS_CHANGED = """
CREATE FUNCTION positions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM mark_portfolio_changed(portfolio_id, min(entry_date))
        FROM added GROUP BY portfolio_id ORDER BY portfolio_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM mark_portfolio_changed(portfolio_id, min(entry_date))
        FROM removed GROUP BY portfolio_id ORDER BY portfolio_id;
    ELSE
        PERFORM mark_portfolio_changed(changed.portfolio_id, min(changed.day))
        FROM (
            SELECT owner.portfolio_id,
                   CASE WHEN (to_jsonb(o) - 'exit_date' - 'exit_price' - 'exit_recorded_on')
                           = (to_jsonb(n) - 'exit_date' - 'exit_price' - 'exit_recorded_on')
                        THEN LEAST(o.exit_date, n.exit_date, n.expiration_date - 4)
                        ELSE LEAST(o.entry_date, n.entry_date) END AS day
            FROM removed o JOIN added n USING (id)
            CROSS JOIN LATERAL (VALUES (o.portfolio_id), (n.portfolio_id)) AS owner (portfolio_id)
            WHERE to_jsonb(o) <> to_jsonb(n)
        ) AS changed
        GROUP BY changed.portfolio_id ORDER BY changed.portfolio_id;
    END IF;
    RETURN NULL;
END $$
"""

VALUATIONS_CHANGED = """
CREATE FUNCTION position_valuations_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM mark_portfolio_changed(p.portfolio_id, min(v.valuation_date))
        FROM added v JOIN positions p ON p.id = v.position_id GROUP BY p.portfolio_id
        ORDER BY p.portfolio_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM mark_portfolio_changed(p.portfolio_id, min(v.valuation_date))
        FROM removed v JOIN positions p ON p.id = v.position_id GROUP BY p.portfolio_id
        ORDER BY p.portfolio_id;
    END IF;
    RETURN NULL;
END $$
"""

FLOWS_CHANGED = """
CREATE FUNCTION equity_changes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM mark_portfolio_changed(portfolio_id, min(change_date))
        FROM added GROUP BY portfolio_id ORDER BY portfolio_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM mark_portfolio_changed(portfolio_id, min(change_date))
        FROM removed GROUP BY portfolio_id ORDER BY portfolio_id;
    END IF;
    RETURN NULL;
END $$
"""

ACTIONS_CHANGED = """
CREATE FUNCTION corporate_actions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM mark_holders_changed(
            array_agg(symbol), array_agg(action_type), array_agg(action_date)) FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM mark_holders_changed(
            array_agg(symbol), array_agg(action_type), array_agg(action_date)) FROM removed;
    ELSE
        PERFORM mark_holders_changed(
            array_agg(symbol), array_agg(action_type), array_agg(action_date))
        FROM (
            (SELECT symbol, action_type, action_date, value FROM removed
             EXCEPT SELECT symbol, action_type, action_date, value FROM added)
            UNION ALL
            (SELECT symbol, action_type, action_date, value FROM added
             EXCEPT SELECT symbol, action_type, action_date, value FROM removed)
        ) AS changed;
    END IF;
    RETURN NULL;
END $$
"""

# A dividend is paid on its day; a split is in the quantity of every lot recorded before it.
HOLDERS = """
CREATE FUNCTION mark_holders_changed(symbols text[], action_types text[], days date[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_portfolio_changed(p.portfolio_id, min(
        CASE a.action_type WHEN 'dividend' THEN a.day ELSE '-infinity' END))
    FROM unnest(symbols, action_types, days) AS a (symbol, action_type, day)
    JOIN positions p ON p.symbol = a.symbol OR p.underlying_symbol = a.symbol
    GROUP BY p.portfolio_id ORDER BY p.portfolio_id;
END $$
"""

# A new portfolio lacks its rows of every session from inception on; a deleted one that comes
# back lacks those computed in between.
PORTFOLIO_CHANGED = """
CREATE FUNCTION portfolios_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stale_from := LEAST(NEW.stale_from, NEW.inception_date);
    IF TG_OP = 'UPDATE' THEN
        NEW.data_version := OLD.data_version + 1;
        NEW.stale_from := LEAST(NEW.stale_from, OLD.inception_date);
    END IF;
    RETURN NEW;
END $$
"""

WATCHED = ("positions", "position_valuations", "equity_changes", "corporate_actions")
OPERATIONS = {
    "INSERT": "NEW TABLE AS added",
    "UPDATE": "OLD TABLE AS removed NEW TABLE AS added",
    "DELETE": "OLD TABLE AS removed",
}


def upgrade() -> None:
    """Forward."""
    for statement in (
        FACTORS_LONG,
        CORRELATIONS_LONG,
        MARK,
        POSITIONS_CHANGED,
        VALUATIONS_CHANGED,
        FLOWS_CHANGED,
        HOLDERS,
        ACTIONS_CHANGED,
        PORTFOLIO_CHANGED,
    ):
        op.execute(statement)
    for table in WATCHED:
        for operation, tables in OPERATIONS.items():
            op.execute(
                f"CREATE TRIGGER {table}_{operation.lower()} AFTER {operation} ON {table} "
                f"REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {table}_changed()"
            )
    op.execute(
        "CREATE TRIGGER portfolios_changed "
        "BEFORE INSERT OR UPDATE OF starting_equity, inception_date, deleted_at "
        "ON portfolios FOR EACH ROW EXECUTE FUNCTION portfolios_changed()"
    )


def downgrade() -> None:
    """Back."""
    op.execute("DROP TRIGGER portfolios_changed ON portfolios")
    for table in WATCHED:
        for operation in OPERATIONS:
            op.execute(f"DROP TRIGGER {table}_{operation.lower()} ON {table}")
        op.execute(f"DROP FUNCTION {table}_changed()")
    op.execute("DROP FUNCTION portfolios_changed()")
    op.execute("DROP FUNCTION mark_holders_changed(text[], text[], date[])")
    op.execute("DROP FUNCTION mark_portfolio_changed(uuid, date)")
    op.execute("DROP VIEW pairwise_correlations")
    op.execute("DROP VIEW symbol_factor_exposures_by_factor")
