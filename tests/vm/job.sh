#!/bin/sh
# What a guest of `cargo xtask vm` runs: doctor, a smoke test, ModemManager, a USB modem and card reader, a modem that is
# plugged in later, and of the scenario tests given as arguments those of handshakes, AT dialogues and library probes that an
# emulated processor gets through in minutes.
# CARDLINK_OBS_BIN names the agent, CARDLINK_LAB_DIR the folder of the lab's programs.
set -u

mount_once() { # TYPE DIRECTORY
    mountpoint -q "$2" || mount -t "$1" "$1" "$2" || echo "job: cannot mount $1 on $2"
}
mount_once bpf /sys/fs/bpf
mount_once cgroup2 /sys/fs/cgroup
ip link set lo up

echo "Linux $(uname -r), $(nproc) processors"
[ -r /sys/kernel/btf/vmlinux ] || echo "job: this kernel has no BTF"

passed=0
failed=0
check() {
    echo "== $*"
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "job: exit code $? of $*"
        failed=$((failed + 1))
    fi
}
check "$CARDLINK_OBS_BIN" doctor
check "$(dirname "$0")/smoke.sh"
check "$(dirname "$0")/modem_manager.sh"
check "$(dirname "$0")/usb.sh"
check "$(dirname "$0")/acm.sh"
for scenarios in "$@"; do
    # One at a time: an emulated processor has no time to spare.
    check "$scenarios" --test-threads=1 --exact \
        handshakes::lab_server_tls_1_2 handshakes::openssl_tls_1_2 at::a_program_that_does_not_notice_its_answer \
        library::behind_a_seccomp_filter
done
echo "job: $passed of $((passed + failed)) checks passed on Linux $(uname -r)"
[ "$failed" -eq 0 ]
