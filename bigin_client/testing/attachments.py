"""Attachments and photos: bytes in, bytes out (bigin-api.md 3.9)."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from bigin_client.testing.call import Call
from bigin_client.testing.reading import PARENT
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.related import notes_or_attachments, parent
from bigin_client.testing.table import Record
from bigin_client.testing.wire import Response
from bigin_client.testing.writing import write_details

#: Modules with a photo ([code]).
PHOTOS: Final = ("Contacts", "Accounts", "Products")


def attachments_of(call: Call) -> Response:
    """``GET {Module}/{id}/Attachments``."""
    return notes_or_attachments(call, "Attachments")


def upload(call: Call) -> Response:
    """``POST {Module}/{id}/Attachments``: multipart ``file``, or a form's ``attachmentUrl``."""
    id = call.parts[0]
    parent(call, id)
    name, data, url = _form(call)
    store, now = call.store, call.store.clock.seconds()
    user = call.account.current_user.id
    new = store.ids.next()
    values = {
        "Owner": user,
        "File_Name": name,
        "Size": str(len(data)),
        "$file_id": f"file{new}",
        "$type": "Link URL" if url else "Attachment",
        "$link_url": url,
        PARENT: (call.module, id),
    }
    stored = {key: value for key, value in values.items() if value is not None}
    record = Record(new, stored, now, now, user, user)
    store.write("Attachments", record, new=True)
    call.account.files[new] = (name, data)
    result = {
        "code": "SUCCESS",
        "details": write_details(call, record),
        "message": "attachment uploaded successfully",
        "status": "success",
    }
    return Response.json(200, {"data": [result]}, rows=1)


def _attachment(call: Call) -> Record | None:
    id, attachment = call.parts
    parent(call, id)
    record = call.store.tables["Attachments"].live.get(attachment)
    if record is None or record.values.get(PARENT) != (call.module, id):
        return None
    return record


def download(call: Call) -> Response:
    """``GET {Module}/{id}/Attachments/{aid}``: the bytes."""
    record = _attachment(call)
    if record is None:
        return Response.empty()
    # Generated attachments have no stored bytes: theirs follow from the id and the size.
    made = (record.id.encode() * 100)[: int(record.values.get("Size") or 0)]
    name, data = call.account.files.get(record.id, (record.values.get("File_Name", ""), made))
    return _bytes(name, data)


def _bytes(name: str, data: bytes) -> Response:
    safe = name.encode("ascii", "replace").decode().replace('"', "'")
    headers = {"Content-Disposition": f'attachment; filename="{safe}"'}
    return Response(200, data, "application/octet-stream", headers)


def delete(call: Call) -> Response:
    """``DELETE {Module}/{id}/Attachments/{aid}``."""
    record = _attachment(call)
    if record is None:
        details = {"id": call.parts[1]}
        raise Refusal("INVALID_DATA", details, "the id given seems to be invalid")
    now = call.store.clock.seconds()
    call.store.remove("Attachments", [record.id], now, call.account.current_user.id)
    call.account.files.pop(record.id, None)
    result = {
        "code": "SUCCESS",
        "details": {"id": record.id},
        "message": "record deleted",
        "status": "success",
    }
    return Response.json(200, {"data": [result]}, rows=1)


# --- photos -----------------------------------------------------------------------------------


def _photo_of(call: Call) -> Record:
    if call.module not in PHOTOS:
        raise Refusal("NOT_SUPPORTED", {"resource_path_index": 2})
    return parent(call, call.parts[0])


def photo(call: Call) -> Response:
    """``GET {Module}/{id}/photo``: the bytes, or 204."""
    record = _photo_of(call)
    if record.values.get("Record_Image") is None:
        return Response.empty()
    return _bytes("photo.png", call.account.files.get(record.id, ("", b"\x89PNG simulated"))[1])


def upload_photo(call: Call) -> Response:
    """``POST {Module}/{id}/photo``; answers at top level [code]."""
    record = _photo_of(call)
    _, data, url = _form(call)
    if url is not None:
        raise Refusal("INVALID_DATA", {"api_name": "file"})
    call.account.files[record.id] = ("photo", data)
    _image(call, record, f"photo{record.id}")
    return _top("photo uploaded successfully")


def delete_photo(call: Call) -> Response:
    """``DELETE {Module}/{id}/photo``."""
    record = _photo_of(call)
    call.account.files.pop(record.id, None)
    _image(call, record, None)
    return _top("Photo deleted")


def _image(call: Call, record: Record, image: str | None) -> None:
    values = {key: value for key, value in record.values.items() if key != "Record_Image"}
    if image is not None:
        values["Record_Image"] = image
    # Whether a photo moves Modified_Time is unknown: it does not here, the harder case.
    call.store.write(call.module, record.changed(values))


def _top(message: str) -> Response:
    return Response.json(200, {"code": "SUCCESS", "message": message, "status": "success"})


def _form(call: Call) -> tuple[str, bytes, str | None]:
    """File name, content and URL of a form.

    Raises:
        Refusal: No form, or nothing in it.
    """
    kind = call.request.headers.get("content-type", "")
    body = call.request.body
    if kind.startswith("application/x-www-form-urlencoded"):
        url = parse_qs(body.decode()).get("attachmentUrl", [""])[0]
        if url:
            return url.rsplit("/", 1)[-1] or url, b"", url
        raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "file"})
    if "boundary=" not in kind:
        raise Refusal("INVALID_REQUEST", {}, "unsupported media type", status=415)
    boundary = b"--" + kind.split("boundary=", 1)[1].split(";")[0].strip('"').encode()
    for part in body.split(boundary)[1:-1]:
        head, _, data = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        content = data[:-2] if data.endswith(b"\r\n") else data
        if 'name="file"' in text:
            name = text.split('filename="', 1)[-1].split('"', 1)[0] if "filename=" in text else ""
            return name or "file", content, None
        if 'name="attachmentUrl"' in text:
            url = content.decode()
            return url.rsplit("/", 1)[-1] or url, b"", url
    raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "file"})
