#!/bin/sh
# Creates Temporal's two databases and brings their schema to this image's version. Safe to run again: what exists is kept.
# temporal-sql-tool reads where PostgreSQL is from SQL_*.
set -eu

prepare() {
  temporal-sql-tool --database "$1" create
  temporal-sql-tool --database "$1" setup-schema --version 0.0
  temporal-sql-tool --database "$1" update-schema --schema-name "postgresql/v12/$2"
}

prepare temporal temporal
prepare temporal_visibility visibility
