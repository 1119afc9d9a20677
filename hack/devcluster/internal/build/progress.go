package build

import (
	"fmt"
	"io"
	"time"
)

// progress says how far a build is.
type progress struct {
	to      io.Writer
	step    string
	started time.Time
}

func (p progress) say(how string) {
	_, _ = fmt.Fprintf(p.to, "devcluster: %s: %s (%s so far)\n", p.step, how, time.Since(p.started).Round(time.Second))
}

// keepSaying repeats a line until the function it returns is called.
func (p progress) keepSaying(how string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(sayPeriod)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.say(how)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
