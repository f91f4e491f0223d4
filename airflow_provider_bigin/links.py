"""A link from a task to the module in Bigin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

#: XCom key of the address; pushed by the operators.
URL_KEY: Final = "bigin_url"
#: Where people sign in, when the module's own address is not known.
BIGIN_URL: Final = "https://bigin.zoho.com/"


class BiginModuleLink(BaseOperatorLink):
    """Opens the module in Bigin."""

    name = "Bigin"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address that the task has pushed."""
        return XCom.get_value(ti_key=ti_key, key=URL_KEY) or ""
