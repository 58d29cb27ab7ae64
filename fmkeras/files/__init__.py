"""Files: written whole or not at all, read with bounds, checked, and locked."""

from fmkeras.files.writing import (
    ESCAPED,
    cache_folder,
    check_room,
    clear_temporary_files,
    flush_to_disk,
    json_text,
    make_folder,
    may_be_replaced,
    plain_name,
    printable,
    replacing,
    replacing_folder,
    temporary_file,
    write_csv,
    write_json,
    write_text,
)

__all__ = [
    "ESCAPED",
    "cache_folder",
    "check_room",
    "clear_temporary_files",
    "flush_to_disk",
    "json_text",
    "make_folder",
    "may_be_replaced",
    "plain_name",
    "printable",
    "replacing",
    "replacing_folder",
    "temporary_file",
    "write_csv",
    "write_json",
    "write_text",
]
