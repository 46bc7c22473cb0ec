package pull

import (
	"testing"
	"testing/synctest"
	"time"
)

// paced runs a test of an Importer's pace and its commits, by a clock that moves only when
// everything waits.
func paced(t *testing.T, test func(p *pace, store func(), j *journal)) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		k := j.committer()
		p := &pace{}
		p.due = func() {
			if err := k.flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		test(p, func() {
			k.add(layerOf("a", "", false))
			p.end()
		}, j)
		p.stop()
		synctest.Wait()
	})
}

const committed = "found, sync names, say a"

// TestPaceIdle: what is waiting is committed when nothing is being stored and no record
// comes for a while.
func TestPaceIdle(t *testing.T) {
	paced(t, func(p *pace, store func(), j *journal) {
		p.begin()
		store()
		time.Sleep(maxIdle - 1)
		synctest.Wait()
		p.arrive() // a record
		j.want(t, "")
		time.Sleep(maxIdle - 1)
		p.begin()
		time.Sleep(3 * maxIdle) // while another layer is being stored
		synctest.Wait()
		j.want(t, "")
		p.end()
		time.Sleep(maxIdle)
		synctest.Wait()
		j.want(t, committed)
	})
}

// TestPaceLate: the oldest layer does not wait for ever for one that takes long.
func TestPaceLate(t *testing.T) {
	paced(t, func(p *pace, store func(), j *journal) {
		p.begin()
		p.begin()
		p.begin()
		store()
		time.Sleep(maxWait - 1)
		store() // which does not begin the time anew
		synctest.Wait()
		j.want(t, "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		j.want(t, "found, found, sync names, say a, say a")
		time.Sleep(2 * maxWait)
		synctest.Wait()
		j.want(t, "")
	})
}

// TestPaceStop: what was committed because the end came is not committed once more, and the
// next layer waits from its own time on.
func TestPaceStop(t *testing.T) {
	paced(t, func(p *pace, store func(), j *journal) {
		p.begin()
		store()
		p.stop()
		p.due()
		j.want(t, committed)
		time.Sleep(maxWait / 2)
		p.begin()
		p.begin()
		store()
		time.Sleep(maxWait - 1)
		synctest.Wait()
		j.want(t, "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		j.want(t, committed)
	})
}
