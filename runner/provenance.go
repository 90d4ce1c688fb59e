package runner

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"xrun/runner/disk"
)

// provenance is run.json: what made a run, where and from what, for people. It
// and timing.parquet are the only files of a run that differ between two
// machines, and the only ones that no comparison reads.
type provenance struct {
	Spec       string            `json:"spec"`
	SpecDigest string            `json:"specSHA256,omitempty"` // of the file as given
	Tags       []string          `json:"tags,omitempty"`
	Command    []string          `json:"command,omitempty"`
	Began      string            `json:"began"`
	Seconds    float64           `json:"seconds"` // of this invocation; timing.parquet has the stages it ran
	Build      build             `json:"build"`
	Engine     string            `json:"engine"`
	Device     string            `json:"device,omitempty"`     // of a GPU
	Capability string            `json:"capability,omitempty"` // of a GPU: compute capability
	NoGPU      string            `json:"noGPU,omitempty"`      // why -engine auto took the processor
	Numerics   string            `json:"numerics"`
	Versions   map[string]int    `json:"versions"` // of the stages' meanings; see keys.go
	Machine    machine           `json:"machine"`
	Env        map[string]string `json:"env"`    // the variables that can change how a run goes
	Inputs     map[string]string `json:"inputs"` // sha256 by name: of each file of data and models, of each suite's definition with its files
	Failures   []string          `json:"failures,omitempty"`
	Report     *madeReport       `json:"report,omitempty"`
}

// Files of a run directory that hold times and places.
const (
	provenanceName = "run.json"
	timingName     = "timing.parquet"
)

// build identifies the program.
type build struct {
	Version    string            `json:"version,omitempty"`
	Revision   string            `json:"revision,omitempty"`
	Modified   bool              `json:"modified,omitempty"`
	Executable string            `json:"executableSHA256,omitempty"`
	Go         string            `json:"go"`
	Modules    map[string]string `json:"modules,omitempty"`
}

// machine is where a run ran.
type machine struct {
	Host      string `json:"host"`
	System    string `json:"system"`
	Kernel    string `json:"kernel,omitempty"`
	Processor string `json:"processor,omitempty"`
	CPUs      int    `json:"cpus"`
	Threads   int    `json:"threads"`
	Memory    int64  `json:"memoryBytes,omitempty"`
}

// relevantEnv are the variables that change how a run goes. None changes a
// result.
var relevantEnv = []string{
	"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "TMPDIR",
	"CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_CLUSTER_NAME", "SLURM_CONF",
}

func (s *study) writeProvenance(e *env, dir string, x *execution, began time.Time, made *madeReport) error {
	p := provenance{
		Spec: s.specPath, Tags: s.tags, Command: e.args, Began: began.UTC().Format(time.RFC3339), Seconds: time.Since(began).Seconds(),
		Build: s.thisBuild(), Engine: x.engine.Name(), Numerics: x.engine.Numerics(),
		Device: x.engine.device, Capability: x.engine.capability, NoGPU: x.engine.reason, Machine: thisMachine(),
		Versions: map[string]int{"prepare": prepareVersion, "train": trainVersion, "evaluate": evaluateVersion, "heldout": heldoutVersion, "sample": sampleVersion},
		Env:      map[string]string{}, Report: made,
	}
	if s.specPath != "" {
		p.SpecDigest, _ = s.in.digestFile(s.specPath)
	}
	for _, name := range relevantEnv {
		if v, ok := os.LookupEnv(name); ok {
			p.Env[name] = v
		}
	}
	var err error
	if p.Inputs, err = s.inputDigests(); err != nil {
		return err
	}
	for _, st := range s.stages {
		if err := x.failures[st]; err != nil {
			p.Failures = append(p.Failures, st.title+": "+err.Error())
		}
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := writeBytes(s.disk, filepath.Join(dir, provenanceName), append(b, '\n')); err != nil {
		return err
	}
	return writeRows(disk.Dir{FS: s.disk, Path: dir}, timingName, x.timings)
}

// inputDigests returns the sha256 of everything the study read.
func (s *study) inputDigests() (map[string]string, error) {
	out := map[string]string{}
	for name, m := range s.models {
		err := fs.WalkDir(m.dir.FS, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == "." {
				return err
			}
			if d.IsDir() {
				return fs.SkipDir // a model's files lie in its directory itself
			}
			switch filepath.Ext(path) {
			case ".json", ".safetensors", ".jinja", ".txt":
				out[name+"/"+path], err = s.in.digest(m.dir, path)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("digesting model %s: %w", name, err)
		}
	}
	for _, c := range s.cells {
		sum, err := s.in.digestFile(c.Data.Source)
		if err != nil {
			return nil, fmt.Errorf("digesting %s: %w", c.Data.Source, err)
		}
		out[c.Data.Source] = sum
	}
	for _, suite := range s.suites {
		out["suite "+suite.name] = suite.digest
	}
	return out, nil
}

func (s *study) thisBuild() build {
	b := build{Go: runtime.Version()}
	if exe, err := os.Executable(); err == nil {
		b.Executable, _ = s.in.digests.File(exe)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, set := range info.Settings {
		switch set.Key {
		case "vcs.revision":
			b.Revision = set.Value
		case "vcs.modified":
			b.Modified = set.Value == "true"
		}
	}
	b.Modules = map[string]string{}
	for _, m := range info.Deps {
		b.Modules[m.Path] = m.Version
	}
	return b
}

func thisMachine() machine {
	host, _ := os.Hostname()
	m := machine{Host: host, System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0)}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	m.Processor = procField("/proc/cpuinfo", "model name")
	var kib int64
	if _, err := fmt.Sscan(procField("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.Memory = kib << 10
	}
	return m
}

// procField returns a field of one of Linux' "name: value" files; "" elsewhere.
func procField(path, name string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
