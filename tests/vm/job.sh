#!/bin/sh
# What a guest of `cargo xtask vm` runs: the scenario tests given as arguments, on the kernel that was booted.
# CARDLINK_OBS_BIN names the agent, CARDLINK_LAB_DIR the folder of the lab's programs.
set -u

mount_once() { # TYPE DIRECTORY
    mountpoint -q "$2" || mount -t "$1" "$1" "$2" || echo "job: cannot mount $1 on $2"
}
mount_once tracefs /sys/kernel/tracing
mount_once bpf /sys/fs/bpf
mount_once cgroup2 /sys/fs/cgroup
ip link set lo up

echo "Linux $(uname -r), $(nproc) processors"
[ -r /sys/kernel/btf/vmlinux ] || echo "job: this kernel has no BTF"
"$CARDLINK_OBS_BIN" --version || exit 1
"$CARDLINK_OBS_BIN" doctor || echo "job: doctor ended with exit code $?"

passed=0
failed=0
for scenarios in "$@"; do
    # One at a time: an emulated processor has no time to spare.
    if "$scenarios" --test-threads=1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "job: $scenarios failed"
    fi
done
echo "job: $passed of $((passed + failed)) scenario programs passed on Linux $(uname -r)"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
