#!/usr/bin/env bash
# Tests the AVX-512 and VDPBF16PS paths on a processor that has neither: Bochs, an
# independent emulator, models a Sapphire Rapids and boots a small Linux that runs the
# tests of package gemm and the smoke study on each path. It ends with "same bytes" if
# every file of the study equals the one written by this machine's best path. It takes
# about twenty minutes on two cores.
#
#   kernels/gemm/bochs.sh [WORK]      # WORK (build/bochs) keeps what is built
#
# Needs Debian (packages below) and Bochs' sources: $BOCHS_SOURCE, a checkout of
# https://github.com/bochs-emu/Bochs of 2025 or later (releases up to 2.8 know no
# AVX512_BF16), or git to clone it.
set -euo pipefail
cd "$(dirname "$0")/../.."
repo=$PWD
mkdir -p "${1:-build/bochs}"
work=$(cd "${1:-build/bochs}" && pwd)
packages="linux-source bc flex bison libelf-dev busybox-static cpio xorriso isolinux syslinux-common bochsbios vgabios g++ make"

bochs() {
    [ -x "$work/bochs" ] && return
    [ -n "${BOCHS_SOURCE:-}" ] || git clone -q --depth 1 https://github.com/bochs-emu/Bochs "$work/source"
    cp -r "${BOCHS_SOURCE:-$work/source}/bochs" "$work/build"
    cd "$work/build"
    ./configure --enable-cpu-level=6 --enable-x86-64 --enable-evex --enable-avx --enable-all-optimizations \
        --enable-repeat-speedups --disable-debugger --disable-plugins --disable-docbook --with-nogui >configure.log
    make -j"$(nproc)" >make.log 2>&1
    cp bochs "$work/"
}

kernel() {
    [ -f "$work/bzImage" ] && return
    mkdir -p "$work/linux"
    tar xf /usr/src/linux-source-*.tar.xz -C "$work/linux" --strip-components=1
    cd "$work/linux"
    make -s tinyconfig
    local option
    for option in 64BIT KERNEL_GZIP BLK_DEV_INITRD RD_GZIP BINFMT_ELF BINFMT_SCRIPT TTY PRINTK SERIAL_8250 SERIAL_8250_CONSOLE \
        FUTEX EPOLL SIGNALFD TIMERFD EVENTFD POSIX_TIMERS PROC_FS SYSFS SHMEM TMPFS DEVTMPFS MULTIUSER ADVISE_SYSCALLS \
        FILE_LOCKING BASE_FULL BUG HZ_100; do
        sed -i "/CONFIG_$option[ =]/d" .config
        echo "CONFIG_$option=y" >>.config
    done
    make -s olddefconfig
    make -s -j"$(nproc)" bzImage
    cp arch/x86/boot/bzImage "$work/"
}

# image: an ISO whose init runs the tests and prints the digests of the study.
image() {
    local root="$work/root" iso="$work/iso"
    rm -rf "$root" "$iso"
    mkdir -p "$root"/{bin,dev,proc,tmp} "$iso/isolinux"
    cp /bin/busybox "$root/bin/"
    cd "$repo"
    CGO_ENABLED=0 go test -c -o "$root/gemm.test" ./kernels/gemm
    CGO_ENABLED=0 go build -o "$root/xrun" .
    cp experiments/smoke.cue "$root/f32.cue"
    sed 's/precision: "f32"/precision: "bf16"/' experiments/smoke.cue >"$root/bf16.cue"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
b() { /bin/busybox "$@"; }
b mount -t proc proc /proc
b mount -t devtmpfs dev /dev
b mount -t tmpfs tmp /tmp
export HOME=/tmp
XRUN_SIMD=avx512bf16 /gemm.test -test.run /impl=avx512 -test.short -test.v -test.timeout 0 2>&1
for path in avx512 avx512bf16; do for spec in f32 bf16; do
    XRUN_SIMD=$path /xrun /$spec.cue -threads 1 -runs /tmp/$path >/tmp/out 2>&1 || b cat /tmp/out
    cd /tmp/$path/$spec && b find . -type f | b sort | b xargs /bin/busybox sha256sum | b sed "s/^/SUM $path $spec /"
done; done
echo "ALL DONE"
while :; do b sleep 9; done
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1 >"$iso/initrd")
    cp "$work/bzImage" "$iso/vmlinuz"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$iso/isolinux/"
    # Bochs has no switch for fast string operations: Linux then takes back one of
    # two features that only make sense together, and we the other (fsrm).
    cat >"$iso/isolinux/isolinux.cfg" <<'CFG'
DEFAULT x
PROMPT 0
LABEL x
  KERNEL /vmlinuz
  INITRD /initrd
  APPEND console=ttyS0 nokaslr mitigations=off tsc=reliable clearcpuid=fsrm
CFG
    xorriso -as mkisofs -quiet -o "$work/image.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$iso"
    cat >"$work/rc" <<RC
config_interface: textconfig
display_library: nogui
cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0, exclude_features="waitpkg,uintr,la57"
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/image.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial.txt
clock: sync=none
log: $work/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
RC
}

run() {
    rm -f "$work/serial.txt"
    (cd "$work" && exec ./bochs -q -f rc >bochs.out 2>&1 </dev/null) &
    machine=$!
    trap 'kill $machine' EXIT
    until grep -aqE '^(ALL DONE|Kernel panic)' "$work/serial.txt" 2>/dev/null || ! kill -0 $machine 2>/dev/null; do sleep 2; done
    tr -d '\r' <"$work/serial.txt" >"$work/result.txt"
    grep -E '^(--- |    --- |PASS|FAIL)' "$work/result.txt"
    grep -q '^ALL DONE' "$work/result.txt" || { tail -n 20 "$work/result.txt"; return 1; }
    grep -qx PASS "$work/result.txt" || { echo "the tests of package gemm failed"; return 1; }
}

# compare: what the modelled processor wrote against what this one writes.
compare() {
    local path spec timed='/(run\.json|timing\.parquet)$'
    for spec in f32 bf16; do
        rm -rf "$work/here"
        "$work/root/xrun" "$work/root/$spec.cue" -runs "$work/here" >"$work/here.log" 2>&1 || { cat "$work/here.log"; return 1; }
        (cd "$work/here/$spec" && find . -type f | sort | xargs sha256sum) | grep -vE "$timed" >"$work/here.sums"
        for path in avx512 avx512bf16; do
            sed -n "s/^SUM $path $spec //p" "$work/result.txt" | grep -vE "$timed" | diff - "$work/here.sums"
            echo "$path, $spec: same bytes ($(wc -l <"$work/here.sums") files)"
        done
    done
}

missing=$(for p in $packages; do dpkg -s "$p" >/dev/null 2>&1 || echo "$p"; done)
[ -z "$missing" ] || apt-get install -y -q --no-install-recommends $missing >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 1; }
(bochs)
(kernel)
(image)
run
compare
