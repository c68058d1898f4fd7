"""Alembic's entry: runs the revisions on the connection that `migrate.py` hands over."""

from alembic import context

from sigmasight_assets.core.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
