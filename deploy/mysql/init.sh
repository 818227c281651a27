#!/bin/bash
# Databases and users of the SQL domains on MySQL, and the replica's following. May run again and again: it makes what
# is missing and sets the passwords that the secrets say.
set -euo pipefail

secret() { cat "/run/secrets/$1"; }

# ask HOST SQL: the password comes by the environment, never by the command line.
ask() {
  MYSQL_PWD=$(secret mysql_root_password) mysql --batch --skip-column-names --connect-timeout=5 -h "$1" -u root -e "$2"
}

for domain in clubs applications files admin; do
  ask mysql "
    CREATE DATABASE IF NOT EXISTS $domain;
    CREATE USER IF NOT EXISTS '$domain'@'%';
    ALTER USER '$domain'@'%' IDENTIFIED BY '$(secret "${domain}_db_password")';
    GRANT ALL PRIVILEGES ON $domain.* TO '$domain'@'%';
  "
done
ask mysql "
  CREATE USER IF NOT EXISTS 'replication'@'%';
  ALTER USER 'replication'@'%' IDENTIFIED BY '$(secret mysql_replication_password)';
  GRANT REPLICATION SLAVE ON *.* TO 'replication'@'%';
  CREATE USER IF NOT EXISTS 'exporter'@'%' WITH MAX_USER_CONNECTIONS 3;
  ALTER USER 'exporter'@'%' IDENTIFIED BY '$(secret mysql_exporter_password)';
  GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO 'exporter'@'%';
  -- How far the replica is behind, as nodes of clubs ask it.
  GRANT REPLICATION CLIENT ON *.* TO 'clubs'@'%';
"

# The replica may have made the same users by following; it only has to follow, and to refuse all other writes.
ask mysql-replica "
  STOP REPLICA;
  CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'mysql', SOURCE_USER = 'replication',
    SOURCE_PASSWORD = '$(secret mysql_replication_password)', SOURCE_AUTO_POSITION = 1,
    GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1;
  START REPLICA;
  SET PERSIST super_read_only = ON;
"
echo "MySQL: databases and users are there, the replica follows."
