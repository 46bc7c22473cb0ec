package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// plan is what would be fetched and what is there; its JSON names are ours.
type plan struct {
	Manifest     string  `json:"manifest"`
	Blobs        []entry `json:"blobs"`
	FetchBytes   int64   `json:"fetch-bytes"` // which the spool needs room for
	FetchBlobs   int     `json:"fetch-blobs"`
	PresentBytes int64   `json:"present-bytes"` // in the repository, the spool or a local source
	PresentBlobs int     `json:"present-blobs"`
	FreeBytes    int64   `json:"spool-free-bytes"` // -1 if nothing has to be spooled
}

// entry is one layer.
type entry struct {
	Kind   string `json:"kind"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	Have   int64  `json:"have"`  // bytes of it that are there
	Where  string `json:"where"` // repository, local, spool, or source
}

// plan prints what would be done, and does nothing.
func (f *fetcher) plan(layers []*part) error {
	p := plan{Manifest: f.desc.Digest.String(), Blobs: []entry{}, FreeBytes: -1}
	dir, err := spoolDir(f.c)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		if err := f.openSpool(); err != nil {
			return err
		}
	}
	for _, layer := range layers {
		e, err := f.where(layer)
		if err != nil {
			return err
		}
		p.add(e)
	}
	if p.FetchBlobs > 0 {
		p.FreeBytes = free(dir)
	}
	return p.print(f.c.Bool("json"))
}

// where finds out how much of a layer is there.
func (f *fetcher) where(p *part) (entry, error) {
	e := entry{Kind: p.rec.Kind, Digest: p.rec.Digest, Size: p.desc.Size, Have: p.desc.Size, Where: "repository"}
	if p.stream != "" {
		return e, nil
	}
	path, err := f.Path(p.desc)
	if err != nil {
		return e, err
	}
	if path != "" {
		e.Where = "local"
		_, err := os.Stat(path)
		return e, err
	}
	e.Have = 0
	if f.spool != nil {
		e.Have = f.spool.Have(p.desc)
	}
	e.Where = "source"
	if e.Have == e.Size {
		e.Where = "spool"
	}
	return e, nil
}

func (p *plan) add(e entry) {
	p.Blobs = append(p.Blobs, e)
	p.PresentBytes += e.Have
	p.FetchBytes += e.Size - e.Have
	if e.Where == "source" {
		p.FetchBlobs++
	} else {
		p.PresentBlobs++
	}
}

// free returns how many bytes a directory, or what it will stand in, has room for.
func free(dir string) int64 {
	dir, err := filepath.Abs(dir)
	for err == nil {
		var st unix.Statfs_t
		switch statErr := unix.Statfs(dir, &st); {
		case statErr == nil:
			return int64(st.Bavail) * st.Bsize
		case statErr != unix.ENOENT || dir == "/":
			return 0
		}
		dir = filepath.Dir(dir)
	}
	return 0
}

func (p *plan) print(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(p)
	}
	for _, e := range p.Blobs {
		if _, err := fmt.Printf("%s %s size=%d have=%d where=%s\n", e.Kind, e.Digest, e.Size, e.Have, e.Where); err != nil {
			return err
		}
	}
	_, err := fmt.Printf("to fetch: %d bytes, %d blobs\npresent: %d bytes, %d blobs\n", p.FetchBytes, p.FetchBlobs, p.PresentBytes, p.PresentBlobs)
	if err == nil && p.FetchBlobs > 0 {
		enough := ""
		if p.FetchBytes > p.FreeBytes {
			enough = ": not enough"
		}
		_, err = fmt.Printf("disk needed in the spool: %d bytes, of %d that are free%s\n", p.FetchBytes, p.FreeBytes, enough)
	}
	return err
}
