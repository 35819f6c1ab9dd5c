#!/bin/bash
# Runs once, when the container's database is made: one role owns the tables, the other is what the service works as.
set -euo pipefail
psql --variable ON_ERROR_STOP=1 --variable owner="$OWNER_PASSWORD" --variable service="$SERVICE_PASSWORD" <<'SQL'
CREATE ROLE broadsheet_owner LOGIN CREATEDB PASSWORD :'owner';
CREATE ROLE broadsheet LOGIN PASSWORD :'service';
GRANT pg_signal_backend TO broadsheet_owner;
CREATE DATABASE broadsheet OWNER broadsheet_owner;
SQL
