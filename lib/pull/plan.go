package pull

import (
	"bytes"
	"context"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/incremental"
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
	Where  string `json:"where"` // repository, local, spool, source, or parts
	*Parts
}

// Parts is what is fetched of a layer that is put together from parts.
type Parts struct {
	Fetch    int64 `json:"fetch"`    // bytes
	Requests int   `json:"requests"` // for all parts, also for those that are there
	Local    int64 `json:"local"`    // bytes of the blob that are not needed
}

// Plan returns what Run would do with the layers of the origin, and does nothing, but that it fetches into memory
// the tables of those that could be put together from parts. The
// spool is at dir; the Fetcher has none if it does not exist yet.
func (f *Fetcher) Plan(ctx context.Context, layers []Layer, dir string) (*Plan, error) {
	p := &Plan{Version: record.JSONVersion, Manifest: f.Descriptor.Digest.String(), Blobs: []Planned{}, FreeBytes: -1}
	for _, l := range layers {
		b, err := f.where(ctx, l)
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
func (f *Fetcher) where(ctx context.Context, l Layer) (Planned, error) {
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
		return p, nil
	}
	parts, err := f.planParts(ctx, l, d)
	if err != nil {
		return p, fmt.Errorf("%s: %w", l.Name(), err)
	}
	if parts != nil {
		p.Parts, p.Where = parts, "parts"
	}
	return p, nil
}

// planParts returns what would be fetched of a layer by parts, nil if it would be fetched whole.
func (f *Fetcher) planParts(ctx context.Context, l Layer, d v1.Descriptor) (*Parts, error) {
	if !f.mayBeParts(l, d) {
		return nil, nil
	}
	if _, err := incremental.Parse(d); err != nil {
		return nil, f.fetchWhole(l, err)
	}
	p, err := spool.PeekPieces(f.Spool, d)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if whole, err := f.isAssembled(l, p); whole {
		return &Parts{Local: l.Size}, err
	} else if err != nil && !corrupt.IsDamage(err) {
		return nil, err
	}
	f.Meter.Say("%s: fetching its table of contents, to plan", l.Name())
	plan, err := f.Parts.Plan(ctx, d, p)
	if err != nil {
		return nil, f.fetchWhole(l, err)
	}
	return &Parts{Fetch: plan.Bytes - plan.Have, Requests: plan.Requests, Local: l.Size - plan.Bytes}, nil
}

func (p *Plan) add(b Planned) {
	p.Blobs = append(p.Blobs, b)
	switch {
	case b.Parts != nil:
		p.PresentBytes += b.Size - b.Fetch
		p.FetchBytes += b.Fetch
		p.FetchBlobs++
		return
	case b.Where == "source":
		p.FetchBlobs++
	default:
		p.PresentBlobs++
	}
	p.PresentBytes += b.Have
	p.FetchBytes += b.Size - b.Have
}

// WriteText writes the plan for people: a line for each layer, and the sums.
func (p *Plan) WriteText(w io.Writer) error {
	var out bytes.Buffer
	for _, b := range p.Blobs {
		fmt.Fprintf(&out, "%s %s size=%d have=%d where=%s", b.Kind, b.Digest, b.Size, b.Have, b.Where)
		if b.Parts != nil {
			fmt.Fprintf(&out, " fetch=%d requests=%d local=%d", b.Fetch, b.Requests, b.Local)
		}
		fmt.Fprintln(&out)
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
