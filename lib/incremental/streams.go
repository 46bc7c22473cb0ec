package incremental

import (
	"slices"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/source"
	"cfs/lib/verity"
)

// Streams returns the streams of the layers that files may be looked for in when SOURCE is pulled: those of
// images that were pulled from the same registry, since what is asked for tells it which files are here;
// or if any is set of all images, also of those whose pull has not ended. Layers of the same
// repository there come first, then those of the tags in order.
func Streams(r *repo.Repo, name string, any bool) ([]verity.ID, error) {
	host, repository := source.Registry(name)
	tags, _, err := oci.Tags(r)
	if err != nil {
		return nil, err
	}
	var near, far []verity.ID
	for _, tag := range tags {
		from, err := oci.SourceOf(r, tag)
		if err != nil {
			return nil, err
		}
		itsHost, itsRepository := source.Registry(from)
		if !any && (host == "" || itsHost != host) {
			continue
		}
		streams, err := streamsOf(r, tag)
		switch {
		case err != nil:
			return nil, err
		case itsHost == host && itsRepository == repository:
			near = append(near, streams...)
		default:
			far = append(far, streams...)
		}
	}
	if any {
		leased, err := leasedStreams(r)
		if err != nil {
			return nil, err
		}
		far = append(far, leased...)
	}
	return unique(append(near, far...)), nil
}

// streamsOf returns the streams of the layers of a tag. One that is damaged has none.
func streamsOf(r *repo.Repo, tag oci.NamedManifest) (streams []verity.ID, err error) {
	image, err := oci.OpenImage(r, tag.Manifest)
	if corrupt.IsDamage(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if image.Manifest.IsContainer() {
		for _, key := range image.Keys {
			streams = append(streams, image.Stream(key))
		}
	}
	return streams, nil
}

// leasedStreams returns those of the layers that are kept for pulls.
func leasedStreams(r *repo.Repo) (streams []verity.ID, err error) {
	for ref, err := range r.Refs(repo.Streams, "") {
		if err != nil || !oci.IsLease(ref) {
			continue // what is wrong with a name is the collector's to say
		}
		if kind, _, ok := oci.ParseName(ref.Target); !ok || kind != oci.KindLayer {
			continue
		}
		id, err := r.Lookup(repo.Streams, ref.Target)
		switch {
		case err == nil:
			streams = append(streams, id)
		case !corrupt.OrMissing(err):
			return nil, err
		}
	}
	return streams, nil
}

// unique drops what came before.
func unique(list []verity.ID) []verity.ID {
	seen := map[verity.ID]bool{{}: true}
	return slices.DeleteFunc(list, func(id verity.ID) bool {
		if seen[id] {
			return true
		}
		seen[id] = true
		return false
	})
}
