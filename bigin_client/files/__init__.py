"""Files of records on a disk or an object store: written, put in place, read."""
