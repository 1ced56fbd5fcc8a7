#!/bin/bash
# Stands in for docker where there is none: records how it is called, a line each, and plays the little of it that units
# use. `run` runs the image's program on this machine, with the environment and the folders a container would have.
# Calls are recorded in $DOCKER_RECORD (default /var/log/docker-calls); containers are pids in /run/docker-stand-in.
set -u
containers=/run/docker-stand-in
mkdir -p "$containers"
printf '%s\n' "$*" >>"${DOCKER_RECORD:-/var/log/docker-calls}"

absent() { echo "Error: No such container: $1" >&2; exit 1; }
pid_of() { cat "$containers/$1" 2>/dev/null; }
running() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

case ${1:-} in
  pull) exit 1 ;; # no registry of images is reached
  kill) pid=$(pid_of "$2"); running "$pid" || absent "$2"; kill -KILL "$pid" ;;
  rm) [ -e "$containers/$2" ] || absent "$2"; rm "$containers/$2" ;;
  stop)
    [ "$2" = -t ] || { echo "docker stand-in: stop without -t" >&2; exit 125; }
    pid=$(pid_of "$4"); running "$pid" || absent "$4"
    kill -TERM "$pid"
    for ((waited = 0; waited < $3 * 10; waited++)); do running "$pid" || exit 0; sleep 0.1; done
    kill -KILL "$pid" ;;
  run)
    shift
    environment=() name=
    while [ $# -gt 0 ]; do
      case $1 in
        --rm) shift ;;
        --net) [ "$2" = host ] || exit 125; shift 2 ;;
        --name) name=$2; shift 2 ;;
        --env-file) while read -r line; do [[ $line == *=* ]] && environment+=("$line"); done <"$2" || exit 125; shift 2 ;;
        -e) environment+=("$2=${!2-}"); shift 2 ;;
        -v) [ -e "${2%%:*}" ] || exit 125; [ "${2%%:*}" = "${2#*:}" ] || ln -sfn "${2%%:*}" "${2#*:}"; shift 2 ;;
        -*) echo "docker stand-in: unknown option $1" >&2; exit 125 ;;
        *) break ;;
      esac
    done
    shift # the image
    pid=$(pid_of "$name"); if running "$pid"; then echo "Conflict: $name is in use" >&2; exit 125; fi
    echo $$ >"$containers/$name"
    exec env -i PATH=/usr/local/bin:/usr/bin:/bin "${environment[@]}" "$@" ;;
  *) echo "docker stand-in: unknown command ${1:-}" >&2; exit 125 ;;
esac
