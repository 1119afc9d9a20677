package cli

import (
	"fmt"
	"io"
	"time"
)

// progress writes one line per event: which image of how many, what happens, and how long it has been going on.
type progress struct {
	out          io.Writer
	image        string
	number, last int
	started      time.Time
}

func newProgress(out io.Writer, images int) *progress {
	return &progress{out: out, last: images, started: time.Now()}
}

func (p *progress) next(image string) {
	p.number++
	p.image = image
}

func (p *progress) say(what string) {
	elapsed := time.Since(p.started).Round(100 * time.Millisecond)
	// Progress that nobody can read is no reason to stop.
	_, _ = fmt.Fprintf(p.out, "[%d/%d %6s] %s: %s\n", p.number, p.last, elapsed, p.image, what)
}
