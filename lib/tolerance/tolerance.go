// Package tolerance handles input that the tools accept, as container runtimes do, and the
// reference (cfsctl 0.9.0) refuses or reads as a different tree. Each kind that occurs is recorded
// once, and reported as a warning where the reference has an image of a different digest. With
// --strict the tools refuse all of it.
//
// Malformed input is not tolerated by any of these rules, and not handled here.
package tolerance

import (
	"errors"
	"fmt"
	"sync"
)

// ErrRefused means that strict rules refuse what is accepted without them.
var ErrRefused = errors.New("refused by --strict")

// Rules collects what is tolerated. A nil *Rules tolerates everything and collects
// nothing. It may be used by several goroutines at once.
type Rules struct {
	Strict bool   // refuse, in place of tolerating
	Where  string // what is being read, such as "layer DIGEST"; it begins the warnings

	// MaxImplied is how many directories that have no entry of their own may be made for
	// what lies below them, 0 for 250,000.
	MaxImplied int

	mu       sync.Mutex
	found    [kinds]finding
	repeated []string // warnings of what was not read again
}

// Strict returns Rules that refuse, or do not.
func Strict(strict bool) *Rules { return &Rules{Strict: strict} }

// IsStrict reports whether the rules refuse.
func (r *Rules) IsStrict() bool { return r != nil && r.Strict }

// maxImplied is the MaxImplied of rules that do not say.
const maxImplied = 250_000

// Implied returns how many directories without an entry may be made.
func (r *Rules) Implied() int {
	if r == nil || r.MaxImplied == 0 {
		return maxImplied
	}
	return r.MaxImplied
}

// AreDefault reports whether the rules are those that a tool has without options.
func (r *Rules) AreDefault() bool { return !r.IsStrict() && r.Implied() == maxImplied }

// Again returns rules that are as strict and have found nothing yet: for what is read a
// second time.
func (r *Rules) Again() *Rules {
	return &Rules{Strict: r.IsStrict(), MaxImplied: r.Implied()}
}

// finding is what was noted of one kind.
type finding struct {
	where, first string // Where, and the member, that it was met in first
	text         string // what it is
	count        int
}

// Note records that a member is read as k says; about completes the text of a kind that
// needs it. With Strict it returns an error instead, which wraps ErrRefused and says what
// is refused; where that is, the caller adds.
func (r *Rules) Note(k Kind, member string, about ...any) error {
	switch {
	case r == nil:
		return nil
	case r.Strict:
		return fmt.Errorf("%w: %s", ErrRefused, k.text(about))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.found[k]
	if f.count++; f.count == 1 {
		f.where, f.first, f.text = r.Where, member, k.text(about)
	}
	return nil
}

// Merge adds what more collected, as if it had come after what is here.
func (r *Rules) Merge(more *Rules) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, add := range more.found {
		f := &r.found[k]
		if f.count == 0 && add.count > 0 {
			f.where, f.first, f.text = add.where, add.first, add.text
		}
		f.count += add.count
	}
	r.repeated = append(r.repeated, more.repeated...)
}

// Repeat adds warnings of an earlier reading, which was not done again.
func (r *Rules) Repeat(warnings []string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repeated = append(r.repeated, warnings...)
}

// Warnings returns a line for each kind of which the user must know: where it was met
// first, what it is, in how many members, and what the reference does. Behind these come
// the repeated ones.
func (r *Rules) Warnings() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for k := range kinds {
		if f := r.found[k]; f.count > 0 && k.warns() {
			lines = append(lines, f.place()+f.text+f.others()+": "+k.consequence())
		}
	}
	return append(lines, r.repeated...)
}

func (f *finding) place() string {
	place := ""
	if f.where != "" {
		place = f.where + ": "
	}
	if f.first != "" {
		place += fmt.Sprintf("%.200q: ", f.first)
	}
	return place
}

// others says how many further members there are.
func (f *finding) others() string {
	if f.count == 1 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", f.count-1)
}
