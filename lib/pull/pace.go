package pull

import (
	"sync"
	"time"
)

// A layer that is stored waits for the others of its image, so that they share the flushes.
// But its record must come in the end, though the next layer takes long or no record comes.
const (
	maxWait = 5 * time.Second        // of the oldest layer that waits
	maxIdle = 200 * time.Millisecond // while nothing is being stored, and no record comes
)

// pace decides when what is waiting is committed, if the end of the image does not come before:
// it calls due then, on a goroutine of its own.
type pace struct {
	due func()

	mu         sync.Mutex
	storing    int // layers that were begun and are not stored yet
	late, idle *time.Timer
}

// arrive notes that a record has come.
func (p *pace) arrive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest()
}

// begin notes that a layer is being stored.
func (p *pace) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.storing++
	p.rest()
}

// end notes that a layer is stored, and waits, or that it could not be stored.
func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.storing--
	if p.late == nil {
		p.late = time.AfterFunc(maxWait, p.fire)
	}
	p.rest()
}

// rest starts to measure how long nothing happens, or does not while a layer is being stored.
func (p *pace) rest() {
	if p.idle != nil {
		p.idle.Stop()
		p.idle = nil
	}
	if p.storing == 0 && p.late != nil {
		p.idle = time.AfterFunc(maxIdle, p.fire)
	}
}

// fire has what is waiting be committed.
func (p *pace) fire() {
	p.stop()
	p.due()
}

// stop forgets what is waiting: it is about to be committed.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range []*time.Timer{p.late, p.idle} {
		if t != nil {
			t.Stop()
		}
	}
	p.late, p.idle = nil, nil
}
