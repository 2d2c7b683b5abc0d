#!/bin/sh
# The Debian package under systemd, in a guest of `cargo xtask service`. First part, started by the guest: lays out what systemd
# needs, and leaves a script by which systemd becomes the first process. Second part (`service.sh inside`), a unit of that systemd.
# CARDLINK_OBS_DEB names the package, CARDLINK_SERVICE_LAB the folder of the lab's programs.
set -eu
here=/run/cardlink
key=00112233445566778899aabbccddeeff
unit=cardlink-obs.service
page=http://127.0.0.1:9464/metrics

prepare() {
    mkdir -p "$here"
    cp "$CARDLINK_OBS_DEB" "$here/agent.deb"
    cp "$CARDLINK_SERVICE_LAB/lab-server" "$CARDLINK_SERVICE_LAB/lab-card" "$0" "$here"
    echo "card-1:$key" >"$here/keys"
    chmod 600 "$here/keys"
    # systemd takes this for the mark of a container.
    rm -f /.dockerenv
    : >/etc/fstab
    echo 0123456789abcdef0123456789abcdef >/etc/machine-id
    # What the host has enabled is not wanted here; what is slow on an emulated processor neither.
    for slow in systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-tmpfiles-setup-dev-early systemd-udevd \
        systemd-udev-trigger systemd-udev-settle systemd-hwdb-update systemd-sysusers systemd-random-seed ldconfig \
        systemd-journal-catalog-update systemd-update-done systemd-machine-id-commit systemd-firstboot systemd-binfmt \
        systemd-pcrphase systemd-pcrphase-sysinit systemd-journal-flush systemd-modules-load; do
        ln -sf /dev/null "/etc/systemd/system/$slow.service"
    done
    mkdir -p /etc/systemd/system.conf.d
    printf '[Manager]\nDefaultTimeoutStartSec=600\nDefaultTimeoutStopSec=120\n' >/etc/systemd/system.conf.d/slow.conf
    cat >/etc/systemd/system/vm.target <<END
[Unit]
Requires=sysinit.target vm-job.service
END
    port=/dev/null
    for found in /dev/vport*p1; do port=$found; done
    cat >/etc/systemd/system/vm-job.service <<END
[Unit]
After=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sh $here/service.sh inside </dev/null >$port 2>&1; echo \$\$? >/run/vm/exit; sync; /run/vm/busybox poweroff -f'
END
    cat >/etc/systemd/system/psk-server.service <<END
[Service]
ExecStart=$here/lab-server --psk-file $here/keys --listen 127.0.0.1:8443
END
    printf '#!/bin/sh\nmount -t tmpfs tmp /tmp\nexec /lib/systemd/systemd --unit=vm.target --show-status=false\n' >/run/vm-next
    chmod 755 /run/vm-next
}

fail() {
    echo "service: $*"
    systemctl status --no-pager --lines=0 "$unit" psk-server.service || true
    journalctl --no-pager --lines=40 -u "$unit" || true
    tail -n 40 /var/log/cardlink-obs/agent.log || true
    exit 1
}

await() { # WHAT COMMAND...
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || fail "no $what within a minute"
        sleep 0.5
    done
}

counted() { # HANDSHAKES
    /run/vm/busybox wget -q -O - "$page" 2>/dev/null |
        awk -v want="$1" '/^cardlink_tls_handshakes_total\{/ && /result="success"/ { n += $NF } END { exit n != want }'
}

cards() { # SESSIONS
    "$here/lab-card" --connect 127.0.0.1:8443 --identity card-1 --key "$key" --sessions "$1" --timeout 60000 ||
        fail "the cards were not served"
}

logged() { grep -q "$1" /var/log/cardlink-obs/agent.log; }
listens() { grep -q ':20FB 00000000:0000 0A' /proc/net/tcp; }

inside() {
    echo "service: $(cat /proc/1/comm) is the first process, on Linux $(uname -r), after $(cut -d' ' -f1 /proc/uptime) s"
    [ "$(cat /proc/1/comm)" = systemd ] || fail "systemd is not the first process"
    dpkg --force-unsafe-io --no-triggers --install "$here/agent.deb" || fail "the package was not installed"
    systemctl is-active --quiet "$unit" && fail "the installation started the service"
    systemctl start psk-server.service || fail "the server does not start"
    await "server" listens

    cardlink-obs config set watch.unit psk-server.service metrics.listen 127.0.0.1:9464 \
        log.file /var/log/cardlink-obs/agent.log || fail "the configuration was not set"
    cardlink-obs config check || fail "the configuration is not valid"
    # Returns when the agent has said that it is ready.
    systemctl start "$unit" || fail "the service does not start"
    [ "$(systemctl show -p ActiveState --value "$unit")" = active ] || fail "it is not active"
    main=$(systemctl show -p MainPID --value "$unit")
    echo "service: ready, pid $main, $(systemctl show -p StatusText --value "$unit")"
    [ "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$main/status")" = 1 ] || fail "it could gain rights"
    socket=/run/cardlink-obs/control.sock
    [ "$(stat -c %a:%U:%G "$socket")" = 660:root:cardlink-obs ] || fail "$socket is $(stat -c %a:%U:%G "$socket")"
    cards 3
    # 15 is NETLINK_KOBJECT_UEVENT: the kernel's news of devices reach the agent.
    awk -v pid="$main" '$2 == 15 && $3 == pid { found = 1 } END { exit !found }' /proc/net/netlink ||
        fail "it does not hear of devices: $(cat /proc/net/netlink)"
    await "page with 3 handshakes" counted 3
    setpriv --reuid=65534 --regid=cardlink-obs --clear-groups cardlink-obs status --control "$socket" >"$here/status" ||
        fail "a member of the group cannot look at the agent"
    grep -q '3 handshakes' "$here/status" || fail "the status is another: $(cat "$here/status")"
    setpriv --reuid=65534 --regid=65534 --clear-groups cardlink-obs status --control "$socket" 2>/dev/null &&
        fail "others can look at the agent"

    cardlink-obs config set log.level debug || fail "the level was not set"
    systemctl reload "$unit" || fail "it does not reload"
    await "news of the reload" logged 'reloaded: log.level changed'
    [ "$(systemctl show -p MainPID --value "$unit")" = "$main" ] || fail "a reload made another process of it"

    cardlink-obs log level control=trace | grep -q '^debug → debug,cardlink_obs::control=trace$' ||
        fail "the level was not changed"

    systemctl restart psk-server.service || fail "the server does not restart"
    await "server" listens
    # The new process of the unit is picked up: until then its handshakes are nobody's.
    await "the server's new process" sh -c "/run/vm/busybox wget -q -O - $page | grep -q '^cardlink_target_processes{.*} 1$'"
    cards 2
    await "page with 5 handshakes" counted 5

    systemctl stop "$unit" || fail "it does not stop"
    [ "$(systemctl show -p Result --value "$unit")" = success ] || fail "it did not stop clean"
    [ "$(systemctl show -p ExecMainStatus --value "$unit")" = 0 ] || fail "it ended with an error"
    cards 1
    systemd-analyze security --no-pager "$unit" | tail -n 1
    echo "service: installed, started, 5 handshakes counted, reloaded, its target restarted, stopped clean"
}

case ${1:-} in
inside) inside ;;
*) prepare ;;
esac
