package runner_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: what is written to user is typed at tty.
func terminal(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED: no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return user, tty
}

// At a terminal Ctrl-C asks whether to cancel the jobs: they go on after a no, and
// end after a yes.
func TestSlurmInterruptAtATerminal(t *testing.T) {
	c := startCluster(t, 2)
	s := c.study("asked", strings.Replace(slurmSpec, "seed: [1, 2, 3, 4]", "seed: [1]", 1))
	user, tty := terminal(t)
	var had []string
	for _, answer := range []struct {
		typed, says string
		jobsLeft    bool
	}{{"\n", "go on without this process", true}, {"yes\n", "cancelled", false}} {
		x := s.prepared("-executor", "slurm", "-runs", s.runs)
		x.Stdin = tty
		x.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := x.Start(); err != nil {
			t.Fatal(err)
		}
		s.until("xrun watches its jobs", func() bool { return strings.Contains(x.said(), "slurm: tasks") })
		if len(had) == 0 {
			s.next(&had)
		}
		user.WriteString("\x03")
		s.until("xrun asks", func() bool { return strings.Contains(x.said(), "are with Slurm; cancel them? [y/N]") })
		user.WriteString(answer.typed)
		if out := s.ends(x, 130); !strings.Contains(out, answer.says) {
			t.Errorf("after %q it does not say %q\n%s", answer.typed, answer.says, out)
		}
		if left := s.slurm("squeue", "--noheader", "--states=pending,running") != ""; left != answer.jobsLeft {
			t.Errorf("after %q, jobs are left: %v, want %v", answer.typed, left, answer.jobsLeft)
		}
	}
	s.until("the cancelled jobs have ended", func() bool { return s.slurm("squeue", "--noheader") == "" })
}
