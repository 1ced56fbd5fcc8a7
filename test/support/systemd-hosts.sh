#!/bin/bash
# systemd-hosts.sh - N "hosts" on one machine, each with a real systemd as PID 1,
# its own network namespace + IP on one bridge, its own D-Bus, journal, machine-id
# and cgroup subtree.  No debootstrap: the root of every host is an overlayfs of
# the machine's own / (lower, read-only) and a tmpfs (upper: the host's disk).
#
#   systemd-hosts.sh up [N]            boot hosts 1..N (default 3) at 10.42.0.11..
#   systemd-hosts.sh start I           boot host I again (same disk, IP and machine-id; empty /run)
#   systemd-hosts.sh exec I CMD...     run CMD inside host I
#   systemd-hosts.sh list              index, leader pid, IP, machine-id, bus socket
#   systemd-hosts.sh kill I            power cut: SIGKILL host I's PID 1 (all in it dies)
#   systemd-hosts.sh cut I | heal I    network partition: set its link down / up
#   systemd-hosts.sh stop I            orderly power-off of host I
#   systemd-hosts.sh down              stop all and remove everything made
#   systemd-hosts.sh world             mount, network and pid namespaces of their own in which to call the above;
#                                      prints the pid to `nsenter -t PID -m -n -p` with. When its stdin ends,
#                                      however that comes, all in them is killed and everything made is removed
#
# A host sees: /run/convoy (the machine's $SDH_DIR/hI/run, emptied at boot), /shared (one $SDH_DIR/shared for all).
# Needs root and: apt-get install -y --no-install-recommends systemd systemd-sysv \
#                         systemd-container dbus iproute2 util-linux
# Environment: SDH_DIR (state, default /tmp/sdhosts), SDH_NET (10.42.0), SDH_PREFIX (of the names of
#   network namespaces, links and cgroups, default sdh, at most 6 letters; unique on the machine), SDH_ROOT
#   (lower root, default /; may be a debootstrap tree), SDH_BIND and SDH_BIND_RO (extra nspawn --bind and
#   --bind-ro specs, space separated, e.g. "/path/bin:/opt/bin"),
#   SDH_IN_NETNS=name puts the bridge in that network namespace, not on the machine.
# Only processes this script started are ever signalled, by pid.
set -u
DIR=${SDH_DIR:-/tmp/sdhosts} NET=${SDH_NET:-10.42.0} PREFIX=${SDH_PREFIX:-sdh}
BR=${PREFIX}0
LOWER=${SDH_ROOT:-/} BRNS=${SDH_IN_NETNS:-}
ipb() { if [ -n "$BRNS" ]; then ip -n "$BRNS" "$@"; else ip "$@"; fi; }
die() {
  echo "systemd-hosts: $*" >&2
  exit 1
}
leader() { cat "$DIR/h$1/leader" 2>/dev/null; }
alive() {
  local p
  p=$(leader "$1") && [ -n "$p" ] && [ -d "/proc/$p" ]
}

# the mount point of one cgroup hierarchy as named in /proc/self/cgroup
cg_mount() { # $1 = "cpu" | "name=systemd" | "" (v2)
  awk -v c="$1" '{ for (i=7;$i!="-";i++); t=$(i+1); o=","$(i+3)","
     if (c=="" ? t=="cgroup2" : (t=="cgroup" && index(o,","c","))) { print $5; exit } }' /proc/self/mountinfo
}
# move this (sub)shell to a cgroup of its own, below where it is, in every hierarchy,
# and note the folders for teardown.
cg_enter() { # $1 = host folder
  local id ctl path mp d all
  all=$(cat /proc/self/cgroup) # whole, before it changes
  while IFS=: read -r id ctl path; do
    mp=$(cg_mount "$ctl")
    [ -n "$mp" ] || continue
    case $ctl in cpuset) continue ;; esac # v1 cpuset starts empty: leave it
    d=$mp${path%/}/sdhosts-$PREFIX-${1##*/}
    mkdir -p "$d" 2>/dev/null && sh -c 'echo '"$BASHPID"' > "$0/cgroup.procs"' "$d" 2>/dev/null &&
      echo "$d" >>"$1/cgroups"
  done <<<"$all"
}
cg_remove() { # $1 = host folder: all cgroups below, deepest first
  local d
  [ -f "$1/cgroups" ] || return 0
  while read -r d; do
    [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} \; 2>/dev/null
  done <"$1/cgroups"
  rm -f "$1/cgroups"
}

network() { # $1 = index: netns + veth to the bridge
  local ns=$PREFIX$1
  [ -e "/run/netns/$ns" ] && return
  ip netns add "$ns" || die "ip netns add"
  ipb link add "v$ns" type veth peer name host0 netns "$ns" || die "veth"
  ipb link set "v$ns" master "$BR" up
  ip -n "$ns" addr add "$NET.$((10 + $1))/24" dev host0
  ip -n "$ns" link set lo up
  ip -n "$ns" link set host0 up
  ip -n "$ns" route add default via "$NET.1"
}

disk() { # $1 = index: a fresh disk, once; the upper may not lie inside its own lower, so it is a tmpfs
  local H=$DIR/h$1 R=$DIR/h$1/root u
  if mountpoint -q "$H/tmpfs"; then
    mount -t overlay -o "lowerdir=$LOWER,upperdir=$H/tmpfs/up,workdir=$H/tmpfs/wk" sdh "$R" || die overlay
    return
  fi
  mount -t tmpfs -o mode=755 sdh "$H/tmpfs" && mkdir "$H/tmpfs/up" "$H/tmpfs/wk"
  mount -t overlay -o "lowerdir=$LOWER,upperdir=$H/tmpfs/up,workdir=$H/tmpfs/wk" sdh "$R" || die overlay
  # none of the machine's own enabled services: a clean /etc/systemd/system
  rm -rf "$R/etc/systemd/system"
  mkdir -p "$R/etc/systemd/system"
  rm -rf "$R/var/log/journal" "$R/var/lib/systemd/timers" "$R/etc/fstab" "$R/etc/machine-id" "$R/etc/init.d" "$R/etc/rc"?.d
  cp "$H/machine-id" "$R/etc/machine-id"
  echo "host$1" >"$R/etc/hostname"
  printf '127.0.0.1 localhost\n%s host%s\n' "$NET.$((10 + $1))" "$1" >"$R/etc/hosts"
  for u in getty.target console-getty.service systemd-timesyncd.service systemd-ask-password-wall.path \
    systemd-networkd.service systemd-resolved.service tmp.mount udev.service systemd-udevd.service e2scrub_reap.service; do
    ln -s /dev/null "$R/etc/systemd/system/$u"
  done
  ln -sf /lib/systemd/system/multi-user.target "$R/etc/systemd/system/default.target"
  # init wrapper: nspawn mounts v1 controllers read-only; open them so that CPUQuota=,
  # MemoryMax=, TasksMax= of units are enforced (each host only sees its own subtree)
  cat >"$R/sdh-init" <<'INIT'
#!/bin/sh
for d in /sys/fs/cgroup/*; do mount -o remount,rw,bind,nosuid,nodev,noexec "$d" 2>/dev/null; done
exec /lib/systemd/systemd --system
INIT
  chmod 755 "$R/sdh-init"
}

start() { # $1 = index
  local i=$1 H=$DIR/h$1 np l n=0 b binds=()
  alive "$i" && die "host $i already runs"
  rm -rf "$H/run"
  mkdir -p "$H/bus" "$H/run" "$H/tmpfs" "$H/root" "$DIR/shared"
  [ -s "$H/machine-id" ] || printf 'sdhost-%s' "$i" | md5sum | cut -c1-32 >"$H/machine-id"
  network "$i"
  disk "$i"
  for b in ${SDH_BIND:-}; do binds+=(--bind="$b"); done
  for b in ${SDH_BIND_RO:-}; do binds+=(--bind-ro="$b"); done
  (
    cg_enter "$H"
    exec setsid systemd-nspawn -q -D "$H/root" --machine="host$i" --hostname="host$i" \
      --register=no --keep-unit --network-namespace-path="/run/netns/$PREFIX$i" \
      --bind="$H/bus:/run/dbus" --bind="$H/run:/run/convoy" --bind="$DIR/shared:/shared" ${binds[@]+"${binds[@]}"} \
      --link-journal=no --resolv-conf=off --timezone=off --console=pipe \
      --kill-signal=SIGRTMIN+3 \
      /sdh-init </dev/null >"$H/console.log" 2>&1
  ) &
  np=$!
  echo "$np" >"$H/nspawn"
  until l=$(cat "/proc/$np/task/$np/children" 2>/dev/null) && l=${l%% *} && [ -n "$l" ] &&
    [ -S "$H/bus/system_bus_socket" ]; do
    [ -d "/proc/$np" ] || {
      cat "$H/console.log" >&2
      die "host $i: nspawn ended"
    }
    n=$((n + 1))
    [ $n -gt 600 ] && die "host $i: no bus socket after 30 s"
    sleep .05
  done
  echo "$l" >"$H/leader"
}
in_host() {
  local i=$1
  shift
  alive "$i" || die "host $i is not running"
  nsenter -t "$(leader "$i")" -m -u -i -n -p -C -r -w -- /usr/bin/env -i TERM=dumb HOME=/root \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
wait_ready() { in_host "$1" timeout 60 systemctl is-system-running --wait; }
off() { # $1 = index: what is left of a host that has ended, but for its disk
  local H=$DIR/h$1
  umount "$H/root" 2>/dev/null
  rm -f "$H/bus/system_bus_socket" "$H/leader" "$H/nspawn"
  cg_remove "$H"
}
gone() {
  local n=0
  while [ -d "/proc/$1" ]; do
    sleep .05
    n=$((n + 1))
    [ $n -gt "$2" ] && return 1
  done
  return 0
}
stop() {
  local np l
  np=$(cat "$DIR/h$1/nspawn" 2>/dev/null)
  l=$(leader "$1")
  if [ -n "$np" ] && [ -d "/proc/$np" ]; then
    kill -RTMIN+4 "$l" 2>/dev/null
    gone "$np" 200 || {
      kill -9 "$l" "$np"
      gone "$np" 100
    }
  fi
  off "$1"
}
cut_power() {
  local np
  np=$(cat "$DIR/h$1/nspawn")
  kill -9 "$(leader "$1")"
  gone "$np" 100 || kill -9 "$np"
  off "$1"
}

case ${1:-help} in
up)
  N=${2:-3}
  [ "$(id -u)" = 0 ] || die "needs root"
  command -v systemd-nspawn >/dev/null || die "apt-get install systemd-container"
  mkdir -p "$DIR"
  ipb link show "$BR" >/dev/null 2>&1 || {
    ipb link add "$BR" type bridge
    ipb addr add "$NET.1/24" dev "$BR"
    ipb link set "$BR" up
  }
  for i in $(seq 1 "$N"); do start "$i" & done
  wait
  for i in $(seq 1 "$N"); do echo "host$i $NET.$((10 + i)) leader=$(leader "$i") $(wait_ready "$i")"; done
  ;;
start)
  start "$2"
  echo "host$2 $(wait_ready "$2")"
  ;;
exec)
  shift
  in_host "$@"
  ;;
list)
  for h in "$DIR"/h[0-9]*; do
    i=${h##*/h}
    alive "$i" && s=up || s=down
    echo "$i $s leader=$(leader "$i") ip=$NET.$((10 + i)) machine-id=$(cat "$h/machine-id") bus=unix:path=$h/bus/system_bus_socket"
  done
  ;;
kill) cut_power "$2" ;;
cut) ipb link set "v$PREFIX$2" down ;;
heal) ipb link set "v$PREFIX$2" up ;;
stop) stop "$2" ;;
down)
  for h in "$DIR"/h[0-9]*; do
    [ -d "$h" ] || continue
    stop "${h##*/h}" &
  done
  wait
  for h in "$DIR"/h[0-9]*; do
    [ -d "$h" ] || continue
    umount "$h/tmpfs" 2>/dev/null
    ip netns del "$PREFIX${h##*/h}" 2>/dev/null
  done
  ipb link del "$BR" 2>/dev/null
  rm -rf --one-file-system "$DIR"
  ;;
world)
  # PID 1 of the pid namespace: it reaps what ends in there, and what still lives when it ends is killed by the kernel.
  unshare --mount --net --pid --fork bash -c '
    read -r pid _ </proc/self/stat # the number outside: /proc is still the outer one
    mount -t proc proc /proc && mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up || exit
    echo "$pid"
    cat >/dev/null
    :'
  find /sys/fs/cgroup -depth -type d -path "*/sdhosts-$PREFIX-*" -exec rmdir {} \; 2>/dev/null
  rm -rf --one-file-system "$DIR"
  ;;
*) sed -n '2,/^set -u/{/^#/p}' "$0" ;;
esac
