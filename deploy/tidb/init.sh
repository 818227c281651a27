#!/bin/bash
# The database and user of the users domain on TiDB; may run again and again.
set -euo pipefail

secret() { cat "/run/secrets/$1"; }

# ask PASSWORD SQL: the password comes by the environment, never by the command line.
ask() { MYSQL_PWD=$1 mysql --batch --connect-timeout=5 -h tidb -P 4000 -u root -e "$2"; }

root=$(secret tidb_root_password)
# A new TiDB lets root in without a password.
ask "$root" "SELECT 1" >/dev/null 2>&1 || ask "" "ALTER USER 'root'@'%' IDENTIFIED BY '$root'"
ask "$root" "
  CREATE DATABASE IF NOT EXISTS users CHARACTER SET utf8mb4;
  CREATE USER IF NOT EXISTS 'users'@'%' IDENTIFIED BY '$(secret users_db_password)';
  ALTER USER 'users'@'%' IDENTIFIED BY '$(secret users_db_password)';
  GRANT ALL PRIVILEGES ON users.* TO 'users'@'%';
"
echo "TiDB: the database and its user are there."
