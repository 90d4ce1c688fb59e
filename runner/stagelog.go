package runner

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"xrun/runner/disk"
	"xrun/runner/store"
)

// A stage's log is a text file of one event a line, "TIME EVENT TEXT", kept with
// the stage's checkpoints while it runs and with its result afterwards:
//
//	2026-11-26T05:06:14Z attempt 2 on host7, process 4711
//	2026-11-26T05:06:15Z resumed after step 1200
//	2026-11-26T05:16:15Z checkpoint after step 1500, written in the background in 6.1 s
//	2026-11-26T05:17:15Z progress 1530/11640, 812 tokens/s, 2h3m0s left, loss 1.0312
//	2026-11-26T07:20:21Z done in 2 h 14 min
//
// The last line of an attempt is done, failed or interrupted; an attempt without
// one was killed, or still runs.
const (
	eventAttempt     = "attempt"
	eventResumed     = "resumed"
	eventCheckpoint  = "checkpoint"
	eventProgress    = "progress"
	eventDone        = "done"
	eventFailed      = "failed"
	eventInterrupted = "interrupted"
)

// stageLog writes one stage's log. A log that cannot be written stops no work,
// so its methods return no error.
type stageLog struct {
	fs   disk.FS
	path string
}

// openLog begins an attempt in a stage's log.
func openLog(fsys disk.FS, s *store.Store, k store.Key) *stageLog {
	l := &stageLog{fs: fsys, path: filepath.Join(s.WorkDir(k), store.LogName)}
	host, _ := os.Hostname()
	before := readLog(s.LogPath(k)).attempts
	l.event(eventAttempt, "%d on %s, process %d", before+1, host, os.Getpid())
	return l
}

func (l *stageLog) event(event, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	if disk.MkdirAll(l.fs, filepath.Dir(l.path)) != nil {
		return
	}
	f, err := l.fs.Append(l.path)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s %s\n", time.Now().UTC().Format(time.RFC3339), event, text)
}

// logSummary is what a stage's log says of its attempts.
type logSummary struct {
	attempts   int
	outcome    string // done, failed or interrupted; "" for an attempt without an end
	reason     string // of that outcome
	progress   string // the last one told in the last attempt
	checkpoint int    // the last step with a checkpoint
}

// readLog reads a stage's log; an absent one tells of no attempt.
func readLog(path string) (sum logSummary) {
	f, err := os.Open(path)
	if err != nil {
		return sum
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, rest, _ := strings.Cut(lines.Text(), " ")
		event, text, _ := strings.Cut(rest, " ")
		switch event {
		case eventAttempt:
			// While a training runs again, the log of the first time lies elsewhere.
			number, _, _ := strings.Cut(text, " ")
			n, _ := strconv.Atoi(number)
			sum.attempts = max(sum.attempts+1, n)
			sum.outcome, sum.reason, sum.progress = "", "", ""
		case eventDone, eventFailed, eventInterrupted:
			sum.outcome, sum.reason = event, text
		case eventProgress:
			sum.progress = text
		case eventCheckpoint:
			step, _, _ := strings.Cut(strings.TrimPrefix(text, "after step "), ",")
			sum.checkpoint, _ = strconv.Atoi(step)
		}
	}
	return sum
}
