package runner

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress tells a person how far a stage is: one line that is rewritten on a
// terminal, a plain line now and then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	columns  func() int // of the terminal, now
	mu       sync.Mutex
	title    string
	log      *stageLog // of the stage, nil for none
	from     int       // units that were done before it began
	began    time.Time
	shown    time.Time
	logged   time.Time
	dirty    bool // a rewritten line is on the screen
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	p := &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
	p.columns = func() int {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
		return 80
	}
	return p
}

// line prints a line of its own.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *progress) clear() {
	if p.dirty {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.dirty = false
	}
}

// start begins a stage; its progress goes to its log too, once a minute.
func (p *progress) start(title string, log *stageLog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.title, p.log, p.from, p.began, p.shown, p.logged = title, log, 0, now, now, now
}

// resume says that the stage goes on after so many units.
func (p *progress) resume(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.began = done, time.Now()
}

// step reports that done of total units are done, tokens tokens of them since the
// start or the resumption, with a short note such as the loss.
func (p *progress) step(done, total int, tokens int64, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	every := 10 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	show, log := now.Sub(p.shown) >= every, p.log != nil && now.Sub(p.logged) >= logEvery
	if !show && !log || done <= p.from {
		return
	}
	spent := now.Sub(p.began)
	left := time.Duration(float64(spent) / float64(done-p.from) * float64(total-done)).Round(time.Second)
	text := fmt.Sprintf("%d/%d", done, total)
	if tokens > 0 {
		text += fmt.Sprintf(", %.0f tokens/s", float64(tokens)/spent.Seconds())
	}
	text += fmt.Sprintf(", %s left", left)
	if note != "" {
		text += ", " + note
	}
	if log {
		p.logged = now
		p.log.event(eventProgress, "%s", text)
	}
	if !show {
		return
	}
	p.shown = now
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", oneLine(p.title, text, p.columns()-1))
		p.dirty = true
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", p.title, text)
}

// oneLine joins a title and a text in at most so many characters: a line that the
// terminal wraps could not be rewritten. The title gives way first.
func oneLine(title, text string, width int) string {
	t, s := []rune(title), []rune(": "+text)
	if over := len(t) + len(s) - width; over > 0 {
		t = t[:max(0, len(t)-over-1)]
		s = append([]rune("…"), s...)
		s = s[:min(len(s), max(0, width-len(t)))]
	}
	return string(t) + string(s)
}

// logEvery is the time between two lines of progress in a stage's log.
const logEvery = time.Minute

// finish ends a stage with one line.
func (p *progress) finish(note string) {
	spent := time.Since(p.began)
	p.line("%s: done in %s%s", p.title, shortTime(spent), note)
}
