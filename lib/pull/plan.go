package pull

import (
	"bytes"
	"fmt"
	"io"

	"cfs/lib/fd"
	"cfs/lib/record"
	"cfs/lib/spool"
)

// Plan is what would be fetched and what is there; its JSON names are ours.
type Plan struct {
	Version      int       `json:"v"` // of this form
	Manifest     string    `json:"manifest"`
	Blobs        []Planned `json:"blobs"`
	FetchBytes   int64     `json:"fetch-bytes"` // which the spool needs room for
	FetchBlobs   int       `json:"fetch-blobs"`
	PresentBytes int64     `json:"present-bytes"` // in the repository, the spool or a local source
	PresentBlobs int       `json:"present-blobs"`
	FreeBytes    int64     `json:"spool-free-bytes"` // -1 if nothing has to be spooled
}

// Planned is one layer.
type Planned struct {
	Kind   string `json:"kind"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	Have   int64  `json:"have"`  // bytes of it that are there
	Where  string `json:"where"` // repository, local, spool, or source
}

// Plan returns what Run would do with the layers of the origin, and does nothing. The
// spool is at dir; the Fetcher has none if it does not exist yet.
func (f *Fetcher) Plan(layers []Layer, dir string) (*Plan, error) {
	p := &Plan{Version: record.JSONVersion, Manifest: f.Descriptor.Digest.String(), Blobs: []Planned{}, FreeBytes: -1}
	for _, l := range layers {
		b, err := f.where(l)
		if err != nil {
			return nil, err
		}
		p.add(b)
	}
	if p.FetchBlobs > 0 {
		p.FreeBytes = spool.Room(dir)
	}
	return p, nil
}

// where finds out how much of a layer is there.
func (f *Fetcher) where(l Layer) (Planned, error) {
	p := Planned{Kind: l.Kind(), Digest: l.Digest.String(), Size: l.Size, Have: l.Size, Where: "repository"}
	if !l.Stream.IsZero() {
		return p, nil
	}
	d := f.descriptor(l)
	path, err := f.source.Path(d)
	if err != nil {
		return p, err
	}
	if path != "" {
		p.Where = "local"
		return p, fd.CheckRegular(path)
	}
	p.Have = 0
	if f.Spool != nil {
		p.Have = f.Spool.Have(d)
	}
	p.Where = "source"
	if p.Have == p.Size {
		p.Where = "spool"
	}
	return p, nil
}

func (p *Plan) add(b Planned) {
	p.Blobs = append(p.Blobs, b)
	p.PresentBytes += b.Have
	p.FetchBytes += b.Size - b.Have
	if b.Where == "source" {
		p.FetchBlobs++
	} else {
		p.PresentBlobs++
	}
}

// WriteText writes the plan for people: a line for each layer, and the sums.
func (p *Plan) WriteText(w io.Writer) error {
	var out bytes.Buffer
	for _, b := range p.Blobs {
		fmt.Fprintf(&out, "%s %s size=%d have=%d where=%s\n", b.Kind, b.Digest, b.Size, b.Have, b.Where)
	}
	fmt.Fprintf(&out, "to fetch: %d bytes, %d blobs\npresent: %d bytes, %d blobs\n", p.FetchBytes, p.FetchBlobs, p.PresentBytes, p.PresentBlobs)
	if p.FetchBlobs > 0 {
		enough := ""
		if p.FetchBytes > p.FreeBytes {
			enough = ": not enough"
		}
		fmt.Fprintf(&out, "disk needed in the spool: %d bytes, of %d that are free%s\n", p.FetchBytes, p.FreeBytes, enough)
	}
	_, err := out.WriteTo(w)
	return err
}

// WriteJSON writes the plan as a JSON object on a line.
func (p *Plan) WriteJSON(w io.Writer) error { return record.WriteJSON(w, p) }
