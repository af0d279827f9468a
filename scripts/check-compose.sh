#!/usr/bin/env bash
# Proves compose.yaml on a machine with a Docker engine: up, publish, hit, every container restarted and killed in
# turn, and nothing lost. Uses a project of its own and removes it again, volumes included.
#   scripts/check-compose.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export COMPOSE_PROJECT_NAME=dcm-check HIT_TARGETS=any
compose() { if command -v docker-compose >/dev/null; then docker-compose "$@"; else docker compose "$@"; fi; }
say() { printf '\n== %s\n' "$*"; }
until_ok() { # until_ok WHAT COMMAND…: a state, not a time; a minute at most
  local what=$1; shift
  for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  echo "not reached within a minute: $what" >&2; compose logs --tail 20 >&2; exit 1
}
finish() { compose down --volumes --timeout 15 >/dev/null 2>&1 || true; }
trap finish EXIT

publish() { # publish PATH: prints the version
  curl -sf localhost:6001/config -H 'X-API-Key: default-api-key' -H 'Content-Type: application/json' \
    -d "{\"data\": {\"url\": \"http://controller:6001/health?$1\"}}" | sed -E 's/.*"version":([0-9]+).*/\1/'
}
worker_has() { curl -sf localhost:6002/config | grep -q "\"version\":$1,"; }
converged() { curl -sf localhost:6001/status -H 'X-API-Key: default-api-key' | grep -q '"converged_ratio":1,'; }
hit() { curl -sf "localhost:6002/hit?wait=20" | grep -q '"status":"completed","status_code":200'; }
task() { curl -sf localhost:6002/hit | sed -E 's/.*"task_id":"([^"]+)".*/\1/'; }
completed() { curl -sf "localhost:6002/hit/$1" | grep -q '"status":"completed"'; }

say 'build and up'
compose up -d --build
until_ok 'the worker is ready' curl -sf localhost:6002/ready
until_ok 'the controller is ready' curl -sf localhost:6001/ready
version=$(publish first)
until_ok "the worker has version $version" worker_has "$version"
until_ok 'the controller knows that the agent has applied it' converged
hit
known=$(task); until_ok 'the first task completed' completed "$known"
echo "version $version published, at the worker, and hit"

for way in restart kill; do
  for service in controller agent worker redis; do
    say "$way $service"
    before=$(task)
    if [ $way = restart ]; then compose restart --timeout 15 "$service"; else compose kill -s SIGKILL "$service"; compose up -d --no-deps "$service"; fi
    until_ok 'the controller is ready' curl -sf localhost:6001/ready
    until_ok 'the worker is ready' curl -sf localhost:6002/ready
    until_ok 'the agent is ready' curl -sf localhost:8081/ready
    curl -sf "localhost:6001/config/$version" -H 'X-API-Key: default-api-key' >/dev/null
    until_ok "the task accepted before completed ($before)" completed "$before"
    completed "$known" || { echo "the first result is lost" >&2; exit 1; }
    version=$(publish "$way-$service")
    until_ok "the worker has version $version" worker_has "$version"
    until_ok 'the controller knows that it is applied' converged
    until_ok 'a hit completes' hit
    echo "nothing lost: version $version at the worker, results kept"
  done
done

say 'the controller alone'
compose down --timeout 15
compose up -d controller
until_ok 'the controller is ready' curl -sf localhost:6001/ready
[ "$(compose ps --services --filter status=running | sort | tr '\n' ' ')" = 'controller ' ]
curl -sf "localhost:6001/config/$version" -H 'X-API-Key: default-api-key' >/dev/null
echo "alone, and version $version is still there"

say 'the side of a host, without a controller'
compose down --timeout 15
compose up -d agent worker
until_ok 'the worker is ready' curl -sf localhost:6002/ready
until_ok "the worker has version $version" worker_has "$version"
[ "$(compose ps --services --filter status=running | sort | tr '\n' ' ')" = 'agent redis worker ' ]
echo "agent, worker and Redis, serving version $version"
say 'all of it holds'
