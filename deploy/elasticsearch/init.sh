#!/bin/bash
# Users of Elasticsearch, each with what it needs and no more; may run again and again.
set -euo pipefail

secret() { cat "/run/secrets/$1"; }

# put PATH JSON: name and password come by a configuration on the standard input, never by the command line.
put() {
  curl --silent --show-error --fail-with-body --config - -X "${3:-PUT}" -H 'content-type: application/json' \
    "http://elasticsearch:9200/_security/$1" <<END
user = "elastic:$(secret elasticsearch_elastic_password)"
data = $(printf '%s' "$2" | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/')
END
  echo
}

# user NAME ROLE: with the password elasticsearch_NAME_password.
user() { put "user/$1" "{\"password\":\"$(secret "elasticsearch_$1_password")\",\"roles\":[\"$2\"]}"; }

put role/club-alliance-search '{"cluster":["monitor"],"indices":[{"names":["club-alliance-*"],"privileges":["all"]}]}'
user search club-alliance-search
put role/club-alliance-logs '{"cluster":["monitor","manage_index_templates","manage_ilm"],"indices":[{"names":["logs-*"],"privileges":["create_index","auto_configure","create_doc","view_index_metadata"]}]}'
user logstash club-alliance-logs
put role/club-alliance-exporter '{"cluster":["monitor"],"indices":[{"names":["*"],"privileges":["monitor"]}]}'
user exporter club-alliance-exporter
put user/kibana_system/_password "{\"password\":\"$(secret elasticsearch_kibana_password)\"}" POST
echo "Elasticsearch: its users are there."
