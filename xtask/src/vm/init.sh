#!/bin/busybox sh
# First program of the guest: loads what the shares need, lays a writable layer over the host's root, hands over.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "/modules/$module" || echo "vm: cannot load $module"
done </modules/order

share=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o "$share,ro,cache=loose" host /lower || echo "vm: no root share"
mount -t tmpfs -o size=75% rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /newroot || echo "vm: no overlay"

# Nothing goes over /tmp: the checkout may lie there.
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev
mkdir -p /newroot/dev/pts /newroot/dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /newroot/dev/pts
mount -t tmpfs shm /newroot/dev/shm
mount -t tmpfs run /newroot/run
chmod 1777 /newroot/dev/shm
mkdir /newroot/run/vm
mount -t 9p -o "$share" job /newroot/run/vm || echo "vm: no job share"
exec switch_root /newroot /bin/sh /run/vm/start
