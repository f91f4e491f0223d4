"""Airflow provider for Zoho Bigin, reached through the Maton gateway.

Import the classes from their modules, for example::

    from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
"""
