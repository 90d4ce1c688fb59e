package runner_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cluster is a real Slurm on this machine: munged, slurmctld and one slurmd a
// node, all in one directory and on ports of their own.
type cluster struct {
	t    *testing.T
	dir  string
	conf string
}

// startCluster starts a Slurm with the given number of one-processor nodes, n1,
// n2, and so on. The test is skipped, loudly, unless XRUN_SLURM is set: Debian's
// slurm-wlm and munge must be installed, and this process be root.
func startCluster(t *testing.T, nodes int) *cluster {
	t.Helper()
	if os.Getenv("XRUN_SLURM") == "" {
		t.Skip("SKIPPED: set XRUN_SLURM=1 to test against a real Slurm (apt-get install slurm-wlm munge; root)")
	}
	for _, program := range []string{"munged", "slurmctld", "slurmd", "sbatch"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("XRUN_SLURM is set, but %v: apt-get install slurm-wlm munge", err)
		}
	}
	// A short path: a socket's name has a limit of some hundred bytes.
	dir, err := os.MkdirTemp("", "slurm")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, conf: filepath.Join(dir, "slurm.conf")}
	t.Cleanup(c.stop)
	for _, d := range []string{"munge", "state", "log"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	key := make([]byte, 128)
	rand.Read(key)
	c.write("munge/key", string(key))
	c.write("slurm.conf", c.configuration(nodes))
	munge := filepath.Join(dir, "munge")
	c.daemon("munged", "--force", "--key-file="+munge+"/key", "--socket="+munge+"/socket", "--pid-file="+dir+"/munged.pid",
		"--log-file="+dir+"/log/munged", "--seed-file="+munge+"/seed")
	c.daemon("slurmctld", "-c", "-f", c.conf)
	for i := range nodes {
		c.daemon("slurmd", "-f", c.conf, "-N", fmt.Sprintf("n%d", i+1))
	}
	c.until("the nodes are idle", func() bool {
		return strings.Count(c.slurm("sinfo", "--noheader", "--Node", "--partition=all", "--format=%T"), "idle") == nodes
	})
	return c
}

func (c *cluster) configuration(nodes int) string {
	host, err := os.Hostname()
	if err != nil {
		c.t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("ClusterName=xrun")
	line("SlurmctldHost=%s(127.0.0.1)", host)
	line("SlurmctldPort=%d", freePort(c.t))
	line("SlurmUser=root")
	line("SlurmdUser=root")
	line("AuthType=auth/munge")
	// A requeued job waits until its old credential has expired, two minutes
	// unless told otherwise.
	line("AuthInfo=socket=%s/munge/socket,cred_expire=5", c.dir)
	line("CredType=cred/munge")
	line("StateSaveLocation=%s/state", c.dir)
	line("SlurmdSpoolDir=%s/spool-%%n", c.dir)
	line("SlurmctldPidFile=%s/slurmctld.pid", c.dir)
	line("SlurmdPidFile=%s/slurmd-%%n.pid", c.dir)
	line("SlurmctldLogFile=%s/log/slurmctld", c.dir)
	line("SlurmdLogFile=%s/log/slurmd-%%n", c.dir)
	line("ProctrackType=proctrack/pgid")
	line("TaskPlugin=task/none")
	line("MpiDefault=none")
	line("SelectType=select/cons_tres")
	line("SelectTypeParameters=CR_Core")
	line("SlurmdParameters=config_overrides")
	line("AccountingStorageType=accounting_storage/none")
	line("JobAcctGatherType=jobacct_gather/none")
	line("SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1")
	line("ReturnToService=2")
	line("JobRequeue=1")
	line("KillWait=5")
	line("MaxArraySize=6") // so that eight cells need more than one array
	for i := range nodes {
		line("NodeName=n%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=1 RealMemory=1000 State=UNKNOWN", i+1, host, freePort(c.t))
	}
	line("PreemptType=preempt/partition_prio")
	line("PreemptMode=REQUEUE")
	line("PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1")
	line("PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10")
	return b.String()
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *cluster) write(name, text string) {
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o400); err != nil {
		c.t.Fatal(err)
	}
}

// daemon starts a program that puts itself in the background.
func (c *cluster) daemon(name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Env = c.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("starting %s: %v\n%s", name, err, out)
	}
}

func (c *cluster) env() []string { return append(os.Environ(), "SLURM_CONF="+c.conf) }

// transient is what Slurm says of a job that it is just starting, and on a machine
// too busy for its controller to answer.
var transient = regexp.MustCompile("try again later|Socket timed out|Unable to contact slurm controller")

// slurm runs one of Slurm's commands and returns what it prints.
func (c *cluster) slurm(name string, args ...string) string {
	for try := 0; ; try++ {
		cmd := exec.Command(name, args...)
		cmd.Env = c.env()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return string(out)
		}
		if try == 100 || !transient.Match(out) {
			c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// until waits for something of the cluster's.
func (c *cluster) until(what string, ok func() bool) {
	c.t.Helper()
	for began := time.Now(); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > 3*time.Minute {
			c.t.Fatalf("waited three minutes until %s\n%s%s", what, c.slurm("squeue", "--array", "--states=all"), c.slurm("sinfo", "--Node", "--long"))
		}
	}
}

// stop ends the daemons by the numbers in their files, and their jobs with them.
func (c *cluster) stop() {
	cancel := exec.Command("scancel", "--quiet", "--user=root")
	cancel.Env = c.env()
	cancel.Run()
	files, _ := filepath.Glob(filepath.Join(c.dir, "*.pid"))
	var pids []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && syscall.Kill(pid, syscall.SIGTERM) == nil {
			pids = append(pids, pid)
		}
	}
	for began := time.Now(); len(pids) > 0 && time.Since(began) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		for len(pids) > 0 && syscall.Kill(pids[0], 0) != nil {
			pids = pids[1:]
		}
	}
	if !c.t.Failed() {
		os.RemoveAll(c.dir)
	}
}
