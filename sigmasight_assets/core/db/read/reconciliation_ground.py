"""What the database works out once about positions and prices, whatever the session.

Methodology, section 4: splits, expiries, last closes, dividends, stated values.

Temporary tables, so that no portfolio is asked for alone. Between two sessions lies no other, so
"dated in (t-1, t]" needs no calendar; look-backs and expiries do. A price is taken in its shortest
decimal form: a plain cast of a double keeps 15 digits of 17.
"""

from __future__ import annotations

from typing import Final, LiteralString

SESSIONS: Final = """
    CREATE TEMPORARY TABLE recon_sessions ON COMMIT DROP AS
    SELECT day, lag(day) OVER calendar AS eve, lag(day, 279) OVER calendar AS look_back
    FROM unnest(%(calendar)s::date[]) AS known (day) WINDOW calendar AS (ORDER BY day)
"""

PORTFOLIOS: Final = """
    CREATE TEMPORARY TABLE recon_portfolios ON COMMIT DROP AS
    SELECT id, starting_equity, stale_from,
           (SELECT min(day) FROM recon_sessions WHERE day >= inception_date) AS inception
    FROM portfolios WHERE deleted_at IS NULL AND inception_date <= %(last)s
"""

# From the split before it to each split, figures are multiplied by it and all later ones.
SPLITS: Final = """
    CREATE TEMPORARY TABLE recon_splits ON COMMIT DROP AS
    WITH RECURSIVE split AS (
        SELECT a.symbol, a.action_date AS ex_date, a.value::text::numeric AS ratio,
               row_number() OVER newest AS place, lead(a.action_date) OVER newest AS earlier
        FROM corporate_actions a JOIN symbol_universe u USING (symbol)
        WHERE a.action_type = 'split' AND a.action_date <= u.last_price_date
        WINDOW newest AS (PARTITION BY a.symbol ORDER BY a.action_date DESC)
    ), product AS (
        SELECT symbol, ex_date, earlier, place, ratio AS factor FROM split WHERE place = 1
        UNION ALL
        SELECT s.symbol, s.ex_date, s.earlier, s.place, p.factor * s.ratio
        FROM product p JOIN split s ON s.symbol = p.symbol AND s.place = p.place + 1
    )
    SELECT symbol, coalesce(earlier, '-infinity') AS since, ex_date AS until, factor FROM product
"""

# Options that nobody exits end on the last session not after expiration, nor before their entry.
EXPIRIES: Final = """
    CREATE TEMPORARY TABLE recon_expiries ON COMMIT DROP AS
    SELECT p.id, p.symbol, p.underlying_symbol, p.strike_price, p.option_type, p.entry_price,
           f.inception, ended.settled_on
    FROM positions p JOIN recon_portfolios f ON f.id = p.portfolio_id
    CROSS JOIN LATERAL (SELECT GREATEST(
        (SELECT max(day) FROM recon_sessions WHERE day <= p.expiration_date),
        (SELECT min(day) FROM recon_sessions WHERE day >= p.entry_date)) AS settled_on) AS ended
    WHERE p.investment_class = 'OPTIONS' AND p.exit_date IS NULL AND p.deleted_at IS NULL
      AND ended.settled_on <= %(last)s
"""

# Which symbols need a close on which session: what is held on each, on inception and at expiry.
WANTED: Final = """
    CREATE TEMPORARY TABLE recon_wanted ON COMMIT DROP AS
    WITH held AS MATERIALIZED (
        SELECT p.symbol, f.inception FROM positions p
        JOIN recon_portfolios f ON f.id = p.portfolio_id
        WHERE p.investment_class IS DISTINCT FROM 'PRIVATE' AND p.deleted_at IS NULL
          AND p.entry_date <= %(last)s
        GROUP BY p.symbol, f.inception
    )
    SELECT symbol, inception AS day FROM held
    UNION SELECT symbol, day FROM held CROSS JOIN unnest(%(days)s::date[]) AS known (day)
    UNION SELECT e.underlying_symbol, e.settled_on FROM recon_expiries e
          WHERE e.settled_on > e.inception
    UNION SELECT e.symbol, e.settled_on FROM recon_expiries e WHERE e.settled_on > e.inception
"""

CLOSES: Final = """
    CREATE TEMPORARY TABLE recon_closes ON COMMIT DROP AS
    SELECT w.symbol, w.day, m.date, m.close::float8 AS close, m.close::text::numeric AS price
    FROM recon_wanted w JOIN market_data_cache m ON m.symbol = w.symbol AND m.date = w.day
    WHERE m.close IS NOT NULL AND m.date = ANY(ARRAY(SELECT DISTINCT day FROM recon_wanted))
"""

# Few symbols have no close on the session itself: those are looked up one by one.
EARLIER_CLOSES: Final = """
    INSERT INTO recon_closes
    SELECT w.symbol, w.day, m.date, m.close::float8, m.close::text::numeric
    FROM recon_wanted w JOIN recon_sessions s ON s.day = w.day
    CROSS JOIN LATERAL (
        SELECT date, close FROM market_data_cache
        WHERE symbol = w.symbol AND date BETWEEN s.look_back AND w.day AND close IS NOT NULL
        ORDER BY date DESC LIMIT 1) AS m
    WHERE NOT EXISTS (SELECT FROM recon_closes c WHERE c.symbol = w.symbol AND c.day = w.day)
"""

# The close as traded on the day meets the strike; without any the option's own, or its cost.
SETTLEMENTS: Final = """
    CREATE TEMPORARY TABLE recon_settlements ON COMMIT DROP AS
    SELECT e.id, e.settled_on, CASE
        WHEN under.price IS NULL THEN coalesce(own.price, e.entry_price)
        ELSE GREATEST(0, CASE e.option_type WHEN 'CALL' THEN 1 ELSE -1 END
            * (under.price * coalesce(s.factor, 1) - e.strike_price)) END AS price
    FROM recon_expiries e
    LEFT JOIN recon_closes under ON under.symbol = e.underlying_symbol AND under.day = e.settled_on
    LEFT JOIN recon_closes own ON own.symbol = e.symbol AND own.day = e.settled_on
    LEFT JOIN recon_splits s
        ON s.symbol = e.underlying_symbol AND e.settled_on >= s.since AND e.settled_on < s.until
"""

# Paid on what was held at the close of the session before the ex-date.
DIVIDENDS: Final = """
    CREATE TEMPORARY TABLE recon_dividends ON COMMIT DROP AS
    SELECT p.portfolio_id, paid.ex_date, sum(paid.usd * p.quantity * coalesce(s.factor, 1)) AS usd
    FROM (
        SELECT a.symbol, a.action_date AS ex_date, a.value::text::numeric AS usd,
               (SELECT max(day) FROM recon_sessions WHERE day < a.action_date) AS held_on
        FROM corporate_actions a JOIN symbol_universe u USING (symbol)
        WHERE a.action_type = 'dividend' AND NOT u.single_series
          AND a.action_date <= LEAST(u.last_price_date, %(last)s)
    ) AS paid
    JOIN positions p ON p.symbol = paid.symbol
    JOIN recon_portfolios f ON f.id = p.portfolio_id
    LEFT JOIN recon_splits s
        ON s.symbol = p.symbol AND p.recorded_on >= s.since AND p.recorded_on < s.until
    WHERE p.deleted_at IS NULL AND coalesce(p.investment_class, 'PUBLIC') = 'PUBLIC'
      AND paid.ex_date > f.inception AND p.entry_date <= paid.held_on
      AND (p.exit_date IS NULL OR p.exit_date > paid.held_on)
    GROUP BY p.portfolio_id, paid.ex_date
"""

# What the owner of a private lot says it is worth holds until the next that is said.
VALUATIONS: Final = """
    CREATE TEMPORARY TABLE recon_valuations ON COMMIT DROP AS
    SELECT v.position_id AS id, v.market_value AS value, v.valuation_date AS since,
           coalesce(lead(v.valuation_date) OVER next, 'infinity') AS until
    FROM position_valuations v JOIN positions p ON p.id = v.position_id
    WHERE p.investment_class = 'PRIVATE' AND p.deleted_at IS NULL
    WINDOW next AS (PARTITION BY v.position_id ORDER BY v.valuation_date)
"""

STEPS: Final[tuple[LiteralString, ...]] = (
    SESSIONS,
    "ALTER TABLE recon_sessions ADD PRIMARY KEY (day)",
    PORTFOLIOS,
    "ALTER TABLE recon_portfolios ADD PRIMARY KEY (id)",
    SPLITS,
    EXPIRIES,
    "ANALYZE recon_sessions, recon_portfolios, recon_splits, recon_expiries",
    WANTED,
    "ANALYZE recon_wanted",
    CLOSES,
    "ALTER TABLE recon_closes ADD PRIMARY KEY (symbol, day)",
    "ANALYZE recon_closes",
    EARLIER_CLOSES,
    SETTLEMENTS,
    DIVIDENDS,
    VALUATIONS,
    "ANALYZE recon_settlements, recon_dividends, recon_valuations",
    # Every lot there is counts, and statistics of a table just filled say that there are few.
    "SET LOCAL enable_nestloop = off",
)
"""What the sessions share. `days`: they and the one before each. `last`: the last of them."""
