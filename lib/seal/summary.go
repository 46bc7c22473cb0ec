package seal

// Summary says what is claimed of an image, without looking at any signature: sealed, whether the
// digest of its merged EROFS image is among it, and how many signatures there are.
func (i Image) Summary() (sealed bool, signatures int) {
	entries := inline(i.Manifest, i.Algorithm)
	for _, a := range i.Artifacts {
		if more, err := a.entries(i.Algorithm); err == nil { // else it counts for nothing
			entries = append(entries, more...)
		}
	}
	for _, e := range entries {
		if id, ok := i.IDs[Merged]; ok && e.role == Merged && e.digest == id.String() {
			sealed = true
		}
		if !unsigned(e.blob) {
			signatures++
		}
	}
	return sealed, signatures
}
