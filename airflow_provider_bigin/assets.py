"""Assets ``bigin://<account>/<Module>``: a module of an account, in schedules and in lineage.

The account is what you call it: an organisation, or an Airflow connection. Airflow loads this
whenever a DAG file names such an asset, so nothing of the client is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SCHEME = "bigin"


def create_asset(*, org: str, module: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of a module."""
    return Asset(uri=f"{SCHEME}://{org}/{module}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the URI in its one form, without a slash at its end.

    Raises:
        ValueError: It does not name an account and a module.
    """
    module = uri.path.strip("/")
    if not uri.netloc or not module or "/" in module:
        raise ValueError("the form of a Bigin asset is bigin://<account>/<Module>")
    return uri._replace(path=f"/{module}")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - Airflow's signature
    """Return the asset as OpenLineage's data set, for the OpenLineage provider."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    account, _, module = asset.uri.removeprefix(f"{SCHEME}://").partition("/")
    return Dataset(namespace=f"{SCHEME}://{account}", name=module)
