"""Files of records: read, written, put in place."""
