"""The connection form of Airflow 2.11; later versions read it from the provider info."""

from __future__ import annotations

from typing import Any

from airflow_provider_bigin.get_provider_info import CONN_FIELDS, get_provider_info


def widgets() -> dict[str, Any]:
    """Return WTForms fields, one per extra field of the connection."""
    # Only Airflow 2 installs these.
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional

    # Airflow 2.11 drops a hook whose form has another class of field, FloatField for one; the
    # text becomes a number when it is read.
    kinds = {"string": StringField, "integer": IntegerField, "number": StringField}
    fields: dict[str, Any] = {}
    for name, about in CONN_FIELDS.items():
        kind = about["schema"]["type"][0]
        if kind == "boolean":
            # An unticked box is saved as false: start from what an empty field means.
            fields[name] = BooleanField(
                about["label"], description=about["description"], default=name == "verify_tls"
            )
        else:
            fields[name] = kinds[kind](
                about["label"],
                description=about["description"],
                widget=BS3TextFieldWidget(),
                validators=[Optional()],
            )
    return fields


def field_behaviour() -> dict[str, Any]:
    """Return the behaviour of the standard fields, in the spelling of Airflow 2."""
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    return {
        "hidden_fields": behaviour["hidden-fields"],
        "relabeling": behaviour["relabeling"],
        "placeholders": behaviour["placeholders"],
    }
