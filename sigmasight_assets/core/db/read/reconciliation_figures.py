"""What portfolios are worth on a session by positions x prices (methodology, section 4).

An account of the money columns of `portfolio_snapshots` that the database works out by itself, in
SQL and numeric arithmetic: it shares nothing with `core/risk`, which it is there to check. It
stands on the temporary tables of `reconciliation_ground`.
"""

from __future__ import annotations

from typing import Final

ITEMS: Final = (
    "net_asset_value",
    "total_value",
    "cash_value",
    "long_value",
    "short_value",
    "gross_exposure",
    "net_exposure",
    "total_cost",
    "total_pnl",
    "cumulative_pnl",
    "daily_pnl",
    "realized_pnl",
    "cumulative_realized_pnl",
    "unrealized_pnl",
    "dividends",
    "cumulative_dividends",
    "capital_flow",
    "cumulative_capital_flow",
)
"""The money columns of portfolio_snapshots."""

# OFFSET 0 keeps what is worked out per lot from being worked out again in every sum.
FIGURES: Final = """
    WITH lot AS (
        SELECT p.portfolio_id, f.inception, p.id, p.symbol, p.entry_date,
               coalesce(p.exit_date, ended.settled_on) AS exit_date,
               p.investment_class IS NOT DISTINCT FROM 'PRIVATE' AS private,
               u.units, p.quantity * u.multiplier * p.entry_price AS cost,
               CASE WHEN ended.settled_on IS NOT NULL THEN u.units * ended.price
                    WHEN p.exit_date IS NOT NULL
                    THEN u.units / coalesce(sold.factor, 1) * p.exit_price END AS proceeds
        FROM positions p
        JOIN recon_portfolios f ON f.id = p.portfolio_id
        LEFT JOIN recon_settlements ended ON ended.id = p.id
        LEFT JOIN recon_splits bought
            ON bought.symbol = p.symbol AND coalesce(p.investment_class, 'PUBLIC') = 'PUBLIC'
            AND p.recorded_on >= bought.since AND p.recorded_on < bought.until
        LEFT JOIN recon_splits sold
            ON sold.symbol = p.symbol AND coalesce(p.investment_class, 'PUBLIC') = 'PUBLIC'
            AND coalesce(p.exit_recorded_on, p.recorded_on) >= sold.since
            AND coalesce(p.exit_recorded_on, p.recorded_on) < sold.until
        CROSS JOIN LATERAL (
            SELECT m AS multiplier, p.quantity * m * coalesce(bought.factor, 1) AS units
            FROM (SELECT CASE p.investment_class WHEN 'OPTIONS' THEN 100 ELSE 1 END) AS one (m)
        ) AS u
        WHERE p.deleted_at IS NULL AND p.entry_date <= %(session)s
          AND f.inception <= %(session)s
          AND (f.stale_from IS NULL OR f.stale_from > %(session)s)
        OFFSET 0
    ), valued AS (
        SELECT l.*,
               CASE WHEN l.exit_date IS NULL OR l.exit_date > %(session)s
                    THEN coalesce(said.value, l.units * now.price, l.cost) END AS value,
               CASE WHEN l.inception <= %(eve)s AND l.entry_date <= %(eve)s
                         AND (l.exit_date IS NULL OR l.exit_date > %(eve)s)
                    THEN coalesce(eve_said.value, l.units * eve.price, l.cost) END AS eve_value,
               CASE WHEN l.entry_date <= l.inception
                         AND (l.exit_date IS NULL OR l.exit_date > l.inception)
                    THEN coalesce(first_said.value, l.units * first.price, l.cost) END AS opening
        FROM lot l
        LEFT JOIN recon_closes now
            ON NOT l.private AND now.symbol = l.symbol AND now.day = %(session)s
        LEFT JOIN recon_closes eve
            ON NOT l.private AND eve.symbol = l.symbol AND eve.day = %(eve)s
        LEFT JOIN recon_closes first
            ON NOT l.private AND first.symbol = l.symbol AND first.day = l.inception
        LEFT JOIN recon_valuations said
            ON said.id = l.id AND %(session)s >= said.since AND %(session)s < said.until
        LEFT JOIN recon_valuations eve_said
            ON eve_said.id = l.id AND %(eve)s >= eve_said.since AND %(eve)s < eve_said.until
        LEFT JOIN recon_valuations first_said
            ON first_said.id = l.id AND l.inception >= first_said.since
            AND l.inception < first_said.until
        OFFSET 0
    ), held AS (
        SELECT portfolio_id, sum(opening) AS opening,
               sum(value) FILTER (WHERE value > 0) AS long_value,
               sum(value) FILTER (WHERE value < 0) AS short_value,
               sum(abs(cost)) FILTER (WHERE value IS NOT NULL) AS total_cost,
               sum(value - cost) AS unrealized,
               sum(cost) FILTER (WHERE entry_date > inception) AS bought,
               sum(proceeds) FILTER (WHERE gone) AS sold,
               sum(proceeds - cost) FILTER (WHERE gone) AS realized,
               sum(proceeds - cost) FILTER (WHERE gone AND exit_date > %(eve)s) AS realized_now,
               sum(coalesce(value, proceeds) - coalesce(eve_value, cost)) FILTER (
                   WHERE eve_value IS NOT NULL
                      OR entry_date > %(eve)s AND inception <= %(eve)s) AS earned,
               sum(abs(opening)) AS opened,
               sum(abs(cost)) FILTER (WHERE entry_date > inception) AS paid,
               sum(abs(proceeds)) FILTER (WHERE gone) AS received
        FROM valued CROSS JOIN LATERAL (
            SELECT exit_date > inception AND exit_date <= %(session)s AS gone) AS g
        GROUP BY portfolio_id
    ), flow AS (
        SELECT c.portfolio_id, sum(c.usd) AS total,
               sum(c.usd) FILTER (WHERE c.day > %(eve)s) AS now,
               sum(abs(c.usd)) AS moved
        FROM (
            SELECT portfolio_id, change_date AS day,
                   CASE change_type WHEN 'CONTRIBUTION' THEN amount ELSE -amount END AS usd
            FROM equity_changes WHERE deleted_at IS NULL AND change_date <= %(session)s
        ) AS c JOIN recon_portfolios f ON f.id = c.portfolio_id AND c.day > f.inception
        GROUP BY c.portfolio_id
    ), dividend AS (
        SELECT portfolio_id, sum(usd) AS total, sum(usd) FILTER (WHERE ex_date > %(eve)s) AS now,
               sum(abs(usd)) AS moved
        FROM recon_dividends WHERE ex_date <= %(session)s GROUP BY portfolio_id
    ), part AS (
        SELECT f.id, f.starting_equity AS equity,
               coalesce(h.long_value, 0) AS long, coalesce(h.short_value, 0) AS short,
               coalesce(h.total_cost, 0) AS cost, coalesce(h.unrealized, 0) AS unrealized,
               coalesce(h.realized, 0) AS realized, coalesce(h.realized_now, 0) AS realized_now,
               coalesce(h.earned, 0) + coalesce(d.now, 0) AS earned,
               coalesce(c.total, 0) AS flows, coalesce(c.now, 0) AS flow,
               coalesce(d.total, 0) AS dividends, coalesce(d.now, 0) AS dividend,
               f.starting_equity - coalesce(h.opening, 0) + coalesce(c.total, 0)
                   + coalesce(d.total, 0) - coalesce(h.bought, 0) + coalesce(h.sold, 0) AS cash,
               abs(f.starting_equity) + coalesce(h.opened, 0) + coalesce(c.moved, 0)
                   + coalesce(d.moved, 0) + coalesce(h.paid, 0) + coalesce(h.received, 0) AS moved
        FROM recon_portfolios f
        LEFT JOIN held h ON h.portfolio_id = f.id
        LEFT JOIN flow c ON c.portfolio_id = f.id
        LEFT JOIN dividend d ON d.portfolio_id = f.id
        WHERE f.inception <= %(session)s
          AND (f.stale_from IS NULL OR f.stale_from > %(session)s)
    )
    SELECT id, moved + long - short + cost AS magnitude,
           cash + long + short AS net_asset_value, cash + long + short AS total_value,
           cash AS cash_value, long AS long_value, short AS short_value,
           long - short AS gross_exposure, long + short AS net_exposure, cost AS total_cost,
           cash + long + short - equity - flows AS total_pnl,
           cash + long + short - equity - flows AS cumulative_pnl, earned AS daily_pnl,
           realized_now AS realized_pnl, realized AS cumulative_realized_pnl,
           unrealized AS unrealized_pnl, dividend AS dividends,
           dividends AS cumulative_dividends, flow AS capital_flow,
           flows AS cumulative_capital_flow
    FROM part
"""
