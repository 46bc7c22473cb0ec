package pull

import "sync"

// queue runs functions, some at once. They begin in the order in which they were added.
type queue struct {
	slots   chan struct{}
	last    <-chan struct{} // closed when the one that was added last has begun
	running sync.WaitGroup
}

func newQueue(atOnce int) *queue {
	none := make(chan struct{})
	close(none)
	return &queue{slots: make(chan struct{}, atOnce), last: none}
}

// add has do run as soon as there is a slot. It does not wait for that. It is not to be called
// by several goroutines.
func (q *queue) add(do func()) {
	before, begun := q.last, make(chan struct{})
	q.last = begun
	q.running.Go(func() {
		<-before
		q.slots <- struct{}{}
		close(begun)
		do()
		<-q.slots
	})
}

// wait waits until all that were added have ended.
func (q *queue) wait() { q.running.Wait() }
