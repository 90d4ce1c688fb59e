package runner

import (
	"os"
	"strconv"
	"strings"
)

// availableMemory returns how many bytes this process may still take, by the
// kernel's estimate and its control group's limit, or -1 where nothing tells.
func availableMemory() int64 {
	left := int64(-1)
	lower := func(n int64) {
		if left < 0 || n < left {
			left = max(0, n)
		}
	}
	info, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				lower(kib << 10)
			}
		}
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		limit, ok1 := number("/sys/fs/cgroup" + path + "/memory.max")
		used, ok2 := number("/sys/fs/cgroup" + path + "/memory.current")
		if ok1 && ok2 {
			lower(limit - used)
		}
	}
	return left
}

func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
