"""Tests of whole nights without an orchestrator."""
