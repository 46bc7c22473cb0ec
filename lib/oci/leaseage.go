package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/uptime"
)

// leaseNotes has a note for each pull that has leases: in which boot they were made or
// renewed last, and how long that had lasted. The clock by which links are dated may be set
// while a pull is running.
const leaseNotes = "leases"

func noteOf(folder string) string { return leaseNotes + "/" + folder }

// noteLease notes that a lease of a pull is made now.
func noteLease(r *repo.Repo, manifest digest.Digest) error {
	boot, err := uptime.ThisBoot()
	if err != nil {
		return err
	}
	now, err := uptime.Now()
	if err != nil {
		return err
	}
	return r.WriteNote(noteOf(folderOf(manifest)), formatNote(boot, now))
}

// formatNote returns a note: "BOOT SECONDS\n".
func formatNote(boot uptime.Boot, at time.Duration) []byte {
	return fmt.Appendf(nil, "%s %d\n", boot, at/time.Second)
}

// parseNote reads what formatNote returns, and nothing else.
func parseNote(text string) (boot uptime.Boot, at time.Duration, ok bool) {
	first, rest, _ := strings.Cut(text, " ")
	boot, ok = uptime.ParseBoot(first)
	n, err := strconv.ParseInt(strings.TrimSuffix(rest, "\n"), 10, 32)
	at = time.Duration(n) * time.Second
	return boot, at, ok && err == nil && n >= 0 && string(formatNote(boot, at)) == text
}

// LeaseAges tells how old the leases of pulls are. Those that were made in this boot are
// aged by the time that it has lasted, others by the date of their link. One from the
// future is new.
type LeaseAges struct {
	repo  *repo.Repo
	boot  uptime.Boot // "" if it cannot be known
	since time.Duration
	now   time.Time
	noted map[string]time.Duration // by folder, since the boot; -1 for none of this boot
}

// NewLeaseAges returns the ages as they are now.
func NewLeaseAges(r *repo.Repo) *LeaseAges {
	a := &LeaseAges{repo: r, now: time.Now(), noted: map[string]time.Duration{}}
	boot, err := uptime.ThisBoot()
	if err == nil {
		a.since, err = uptime.Now()
	}
	if err == nil {
		a.boot = boot
	}
	return a
}

// Of returns the age of a lease. An error says that it cannot be known now.
func (a *LeaseAges) Of(lease repo.Ref) (time.Duration, error) {
	folder, _, _ := strings.Cut(strings.TrimPrefix(lease.Name, leaseFolder+"/"), "/")
	at, known := a.noted[folder]
	if !known {
		var err error
		if at, err = a.read(folder); err != nil {
			return 0, err
		}
		a.noted[folder] = at
	}
	if at < 0 {
		return max(0, a.now.Sub(lease.Made)), nil
	}
	return max(0, a.since-at), nil
}

// read returns when in this boot a pull has made its last lease, -1 if no note says so.
func (a *LeaseAges) read(folder string) (time.Duration, error) {
	text, err := a.repo.ReadNote(noteOf(folder))
	if corrupt.OrMissing(err) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	boot, at, ok := parseNote(string(text))
	if !ok || boot != a.boot {
		return -1, nil
	}
	return at, nil
}

// tidyNotes removes notes of pulls that have no lease.
func tidyNotes(r *repo.Repo) error {
	names, err := r.Notes(leaseNotes)
	if err != nil {
		return err
	}
	for _, name := range names {
		leased, err := hasLease(r, name)
		if err == nil && !leased {
			err = r.RemoveNote(noteOf(name))
		}
		if err != nil && !errors.Is(err, unix.ENOTEMPTY) { // a folder of somebody else's
			return err
		}
	}
	return nil
}

func hasLease(r *repo.Repo, folder string) (bool, error) {
	for _, c := range leased {
		for _, err := range r.Refs(c, leaseFolder+"/"+folder) {
			if err == nil {
				return true, nil
			}
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
				return false, err
			}
		}
	}
	return false, nil
}
