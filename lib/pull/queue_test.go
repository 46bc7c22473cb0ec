package pull

import (
	"slices"
	"testing"
)

// TestQueueOrder: functions run in the order in which they were added, and to add one does not
// wait for another.
func TestQueueOrder(t *testing.T) {
	q := newQueue(1)
	held := make(chan struct{})
	var got, want []int
	for n := range 100 {
		want = append(want, n)
		q.add(func() {
			<-held
			got = append(got, n)
		})
	}
	close(held)
	q.wait()
	if !slices.Equal(got, want) {
		t.Errorf("ran in the order %v", got)
	}
}

// TestQueueAtOnce: as many run at once as there are slots.
func TestQueueAtOnce(t *testing.T) {
	q := newQueue(3)
	begun, held := make(chan int, 10), make(chan struct{})
	for n := range 10 {
		q.add(func() {
			begun <- n
			<-held
		})
	}
	first := []int{<-begun, <-begun, <-begun}
	if slices.Sort(first); !slices.Equal(first, []int{0, 1, 2}) || len(begun) > 0 {
		t.Errorf("%v and %d more run at once", first, len(begun))
	}
	close(held)
	q.wait()
	if len(begun) != 7 {
		t.Errorf("%d ran after them", len(begun))
	}
}
