"""SigmaSight's data assets: prices in, risk tables out, one partition per NYSE session.

This module imports nothing: the API process imports `sigmasight_assets.core` and must not
load Dagster on the way.
"""
