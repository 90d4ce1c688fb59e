package slurm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xrun/schema"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		indices []int
		want    string
	}{{nil, ""}, {[]int{0}, "0"}, {[]int{0, 1}, "0-1"}, {[]int{0, 1, 2, 5, 7, 8}, "0-2,5,7-8"}} {
		if got := ranges(c.indices); got != c.want {
			t.Errorf("%v: %s; want %s", c.indices, got, c.want)
		}
	}
}

// Lines as squeue of Slurm 22.05 prints them; other jobs of the user, one with a
// bar in its name, are passed over.
func TestParseQueue(t *testing.T) {
	got := parseQueue("5|0|RUNNING|n1|None|xrun-a-1\n5|3|PENDING||Resources|xrun-a-1\n9|N/A|RUNNING|n2|None|shell\n7|1|COMPLETED|n2|None|odd|name\nnonsense\n")
	want := []Task{
		{Name: "xrun-a-1", Job: "5", Index: 0, State: "RUNNING", Reason: "None", Node: "n1"},
		{Name: "xrun-a-1", Job: "5", Index: 3, State: "PENDING", Reason: "Resources"},
		{Name: "odd|name", Job: "7", Index: 1, State: "COMPLETED", Reason: "None", Node: "n2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got[0].ID() != "5_0" || !got[1].Alive() || got[2].Alive() {
		t.Errorf("%s, alive %v and %v", got[0].ID(), got[1].Alive(), got[2].Alive())
	}
}

func TestArguments(t *testing.T) {
	a := Array{Name: "xrun-a", Script: "/s/a.sh", Dir: "/w", Log: "/s/100%/a", Indices: []int{0, 1}, After: "12",
		Resources: schema.Resources{Partition: "gpu", Time: "1:00:00", Memory: "16G", CPUs: 4, GPUs: 1, Constraint: "a100"}}
	args, err := a.arguments()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--array=0-1", "--output=/s/100%%/a-%a.log", "--dependency=aftercorr:12", "--signal=B:USR1@300", "--gres=gpu:1",
		"--mem=16G", "--cpus-per-task=4", "--constraint=a100", "--partition=gpu", "--time=1:00:00", "--requeue", "--open-mode=append"} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %s", want, strings.Join(args, " "))
		}
	}
	if args[len(args)-1] != a.Script {
		t.Errorf("the script is not last: %s", strings.Join(args, " "))
	}
	if args, _ := (Array{}).arguments(); slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, "--mem") || strings.HasPrefix(s, "--cpus") }) {
		t.Errorf("what the spec leaves out is asked for: %s", strings.Join(args, " "))
	}
}

func TestSignalMargin(t *testing.T) {
	for limit, want := range map[string]time.Duration{"": 2 * time.Minute, "1": 10 * time.Second, "10": time.Minute, "2-0": 5 * time.Minute} {
		if got, err := signalMargin(limit); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", limit, got, err, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := Quote("it's $HOME"); got != `'it'\''s $HOME'` {
		t.Error(got)
	}
}

// FuzzParseQueue reads what may be any program's output.
func FuzzParseQueue(f *testing.F) {
	f.Add("5|0|RUNNING|n1|None|xrun-a-1\n")
	f.Add("JobId=5 JobState=FAILED ExitCode=0:9")
	f.Fuzz(func(t *testing.T, out string) {
		for _, task := range parseQueue(out) {
			if task.Index < 0 || task.Job == "" {
				t.Errorf("%+v", task)
			}
		}
		field(out, "JobState")
		configValue(out, "MaxArraySize")
	})
}
